"""Surroundings: variables, descriptors, limits and folders that a shell, a service or a container may hand over."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tests.attack.case import DIRECT, Case, Scene, Variants
from tests.support.packages import ROOT

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

_UNHEARD = {"both-to-no-reader", "closed-stderr", "all-closed", "full-stderr"}
"""Where no line of standard error arrives."""
_NO_CACHE = {"home-is-a-file", "hookline-home-is-a-file"}
"""Where runs are refused; ``--help`` needs no cache."""

SHELLS: Mapping[str, str] = {
    "head": f"{{ {_STATUS}; }} | head -c 1",
    "no-reader": f"{{ {_STATUS}; }} | :",
    "both-to-no-reader": f"{{ {_STATUS}; }} 2>&1 | :",
    "closed-stdout": f"{DIRECT} >&-",
    "closed-stderr": f"{DIRECT} 2>&-",
    "closed-stdin": f"{DIRECT} <&-",
    "all-closed": f"{DIRECT} <&- >&- 2>&-",
    "full-stdout": f"{DIRECT} > /dev/full",
    "full-stderr": f"{DIRECT} 2> /dev/full",
    "no-file-size": f"{{ (ulimit -f 0; {DIRECT}); echo $? > ../status; }} 2>&1 | cat",
    "small-file-size": f"ulimit -f 64; {DIRECT}",
    "few-descriptors": f"ulimit -n 20; {DIRECT}",
    "deleted-cwd": f"mkdir gone; cd gone; rmdir ../gone; {DIRECT}",
    "read-only-cwd": f"cd /sys; {DIRECT}",
    "run-dir-is-a-file": f"touch outputs; {DIRECT}",
    "background-group": f"nohup {DIRECT}",
    "odd-umask": f"umask 777; {DIRECT}",
    "small-stack": f"ulimit -s 256; {DIRECT}",
}

VARIABLES: Mapping[str, Mapping[str, str | None]] = {
    "no-home": {"HOME": None, "XDG_CACHE_HOME": "{here}/../home/.cache"},
    "no-home-and-no-user": {"HOME": None, "PYTHONPATH": "{here}/nobody:{path}"},
    "empty-home": {"HOME": "", "XDG_CACHE_HOME": "{here}/../home/.cache"},
    "home-is-a-file": {"HOME": "/dev/null"},
    "home-is-missing": {"HOME": "/proc/nobody"},
    "home-is-relative": {"HOME": "../home"},
    "hookline-home-is-a-file": {"HOOKLINE_HOME": "/dev/null"},
    "hookline-home-of-nobody": {"HOOKLINE_HOME": "~nosuchuser/x"},
    "hookline-home-is-long": {"HOOKLINE_HOME": "/proc/" + "x" * 300},
    "xdg-is-a-file": {"XDG_CACHE_HOME": "/dev/null"},
    "c-locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "unknown-locale": {"LC_ALL": "xx_YY.nope"},
    "ascii-output": {"PYTHONIOENCODING": "ascii"},
    "latin-output": {"PYTHONIOENCODING": "latin-1:strict"},
    "strict-utf16-output": {"PYTHONIOENCODING": "utf-16"},
    "no-tmpdir": {"TMPDIR": "/proc/nothing"},
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


def _case(scene: Scene, name: str, *, shell: str = DIRECT, environment: Mapping[str, str | None] | None = None) -> Case:
    """One of the commands, chosen by the seed."""
    possible = [arguments for arguments in COMMANDS.values() if name not in _NO_CACHE or "--help" not in arguments]
    arguments = scene.chance.choice(possible)
    scene.write("nobody/sitecustomize.py", _NOBODY)
    places = {"{base}": str(scene.base.root), "{here}": str(scene.here), "{path}": str(ROOT)}
    changed = {name: value and _filled(value, places) for name, value in (environment or {}).items()}
    return Case(
        tuple(_filled(argument, places) for argument in arguments),
        changed,
        shell,
        fresh=True,
        patience=20,
        heard=name not in _UNHEARD,
    )


def _filled(text: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        text = text.replace(name, place)
    return text


VARIANTS: Variants = {
    **{name: partial(_case, name=name, shell=shell) for name, shell in SHELLS.items()},
    **{name: partial(_case, name=name, environment=changed) for name, changed in VARIABLES.items()},
}
