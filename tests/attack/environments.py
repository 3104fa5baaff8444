"""Surroundings: variables, descriptors, limits and folders that a shell, a service or a container may hand over."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tests.attack.case import DIRECT, Case, Scene, Variants
from tests.attack.children import ROOT

_STATUS = '"$@"; echo $? > ../status'
"""The command, and its exit code in the file that is read instead of that of the shell."""

_NOBODY = """
import pwd
def nobody(*_):
    raise KeyError("no such user")
pwd.getpwuid = pwd.getpwnam = nobody
"""
"""What a container does whose user has no entry in the list of users."""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "help": ("--help",),
    "stage-help": ("+stage=train", "--help"),
    "load": ("+stage=load", "weights={base}/tiny.safetensors", "imgsz=64"),
    "predict": ("+stage=predict", "weights={base}/tiny.engine", "source={base}/set/images/val"),
    "dataset": ("+stage=dataset", "data={base}/set/data.yaml"),
    "doctor": ("+stage=doctor",),
    "refused": ("+stage=load", "weights=nope.pt"),
}

SHELLS: Mapping[str, str] = {
    "head": "{ %s; } | head -c 1" % _STATUS,
    "no-reader": "{ %s; } | :" % _STATUS,
    "both-to-no-reader": "{ %s; } 2>&1 | :" % _STATUS,
    "closed-stdout": "%s >&-" % DIRECT,
    "closed-stderr": "%s 2>&-" % DIRECT,
    "closed-stdin": "%s <&-" % DIRECT,
    "all-closed": "%s <&- >&- 2>&-" % DIRECT,
    "full-stdout": "%s > /dev/full" % DIRECT,
    "full-stderr": "%s 2> /dev/full" % DIRECT,
    "no-file-size": "ulimit -f 0; %s" % DIRECT,
    "small-file-size": "ulimit -f 64; %s" % DIRECT,
    "few-descriptors": "ulimit -n 20; %s" % DIRECT,
    "deleted-cwd": "mkdir gone; cd gone; rmdir ../gone; %s" % DIRECT,
    "read-only-cwd": "mkdir still; chmod 555 still; cd still; %s" % DIRECT,
    "run-dir-is-a-file": "touch outputs; %s" % DIRECT,
    "background-group": "nohup %s" % DIRECT,
    "odd-umask": "umask 777; %s" % DIRECT,
    "small-stack": "ulimit -s 256; %s" % DIRECT,
}

VARIABLES: Mapping[str, Mapping[str, str | None]] = {
    "no-home": {"HOME": None, "XDG_CACHE_HOME": "{here}/../home/.cache"},
    "no-home-and-no-user": {"HOME": None, "PYTHONPATH": "{here}/nobody:{path}"},
    "empty-home": {"HOME": ""},
    "home-is-a-file": {"HOME": "/dev/null"},
    "home-is-missing": {"HOME": "/nonexistent/home"},
    "home-is-relative": {"HOME": "x"},
    "hookline-home-is-a-file": {"HOOKLINE_HOME": "/dev/null"},
    "hookline-home-of-nobody": {"HOOKLINE_HOME": "~nosuchuser/x"},
    "hookline-home-is-long": {"HOOKLINE_HOME": "/tmp/" + "x" * 300},
    "xdg-is-a-file": {"XDG_CACHE_HOME": "/dev/null"},
    "c-locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "unknown-locale": {"LC_ALL": "xx_YY.nope"},
    "ascii-output": {"PYTHONIOENCODING": "ascii"},
    "unknown-output": {"PYTHONIOENCODING": "nope"},
    "strict-utf16-output": {"PYTHONIOENCODING": "utf-16"},
    "no-tmpdir": {"TMPDIR": "/nonexistent/tmp"},
    "columns-0": {"COLUMNS": "0"},
    "columns-odd": {"COLUMNS": "-5", "LINES": "x"},
    "columns-1": {"COLUMNS": "1"},
    "no-term": {"TERM": None},
    "force-color": {"FORCE_COLOR": "1", "TERM": "xterm"},
    "no-path": {"PATH": None},
    "odd-ranks": {"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
    "rank-out-of-range": {"RANK": "5", "WORLD_SIZE": "2", "LOCAL_RANK": "5"},
    "odd-plugins": {"HOOKLINE_PLUGINS": "nope:os:..:a b::" + "x" * 300},
    "odd-threads": {"OMP_NUM_THREADS": "nope"},
    "odd-cuda": {"CUDA_VISIBLE_DEVICES": "-1,nope"},
    "warnings-are-errors": {"PYTHONWARNINGS": "default"},
    "dev-mode": {"PYTHONDEVMODE": "1"},
    "odd-matplotlib": {"MPLBACKEND": "nope"},
    "odd-timezone": {"TZ": "nope/nope"},
}


def _case(scene: Scene, *, shell: str = DIRECT, environment: Mapping[str, str | None] | None = None) -> Case:
    """One of the commands, chosen by the seed."""
    arguments = scene.chance.choice(list(COMMANDS.values()))
    scene.write("nobody/sitecustomize.py", _NOBODY)
    places = {"{base}": str(scene.base.root), "{here}": str(scene.here), "{path}": str(ROOT)}
    changed = {name: value and _filled(value, places) for name, value in (environment or {}).items()}
    return Case(tuple(_filled(argument, places) for argument in arguments), changed, shell, fresh=True, patience=20)


def _filled(text: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        text = text.replace(name, place)
    return text


VARIANTS: Variants = {
    **{name: partial(_case, shell=shell) for name, shell in SHELLS.items()},
    **{name: partial(_case, environment=changed) for name, changed in VARIABLES.items()},
}
