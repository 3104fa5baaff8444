"""Plugins with one fault each. ``# HERE`` marks the line that the message must name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HEAD = """\
from __future__ import annotations
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any
from core.artifacts import Metrics, OnnxModel; from core.model_facts import Precision, Preprocessing
from core.options.fields import chosen, shared
from core.errors import HooklineError
from core.plugins.hookspecs import hookimpl
from core.kinds.part import Availability
from core.kinds.calibrator import Calibrator
from core.kinds.model import ModelFamily, Release
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.kinds.tracker import Tracker
from core.options.ranges import Positive, Range
from core.kinds.stage import Stage
"""

STAGE = """
def run(config: Options, context) -> Metrics:
    target = context.workdir / "result.txt"
    target.write_text("x")
    return Metrics(path=target, values={})
@hookimpl
def hookline_stages():
    yield Stage(name="NAME", summary="faulty", run=run, automatic=False)
"""


@dataclass(frozen=True)
class Faulty:
    """One plugin.

    Attributes:
        name: Its module.
        body: Its code, after :data:`HEAD`.
        reason: Part of the message.
        needs: The command line of a run that needs it; empty if none can.
        files: Other files, by path.
        state: ``broken``, or ``loaded`` if the fault appears at its use.
        head: Whether :data:`HEAD` precedes the body.
    """

    name: str
    body: str
    reason: str
    needs: str = ""
    files: dict[str, str] = field(default_factory=dict)
    state: str = "broken"
    head: bool = True

    @property
    def text(self) -> str:
        return (HEAD if self.head else "") + self.body.replace("NAME", self.name)

    @property
    def place(self) -> str:
        """``file:line`` of the mark, or the file without a mark."""
        for file, text in {f"{self.name}.py": self.text, **self.files}.items():
            for number, line in enumerate(text.splitlines(), 1):
                if "# HERE" in line:
                    return f"{Path(file).name}:{number}"
        return f"{self.name}.py"

    def write(self, folder: Path) -> None:
        (folder / f"{self.name}.py").write_text(self.text)
        for file, text in self.files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)


def options(name: str, body: str, reason: str) -> Faulty:
    """A stage whose options cannot be composed."""
    decorated = f"@dataclass\nclass Options:\n{body}" if "class " not in body else body
    return Faulty(name, decorated + STAGE, reason, f"+stage={name}")


def calibrator(name: str, arguments: str, reason: str) -> Faulty:
    body = f"@hookimpl  # HERE\ndef hookline_calibrators():\n    yield Calibrator({arguments})\n"
    return Faulty(name, body, reason)


def runtime(name: str, before: str, reason: str, arguments: str = "") -> Faulty:
    """A runtime of the highest rank, so that ``backend=auto`` asks it first."""
    body = f"""
def usable():
    return Availability(True, "always")
{before}
@hookimpl
def hookline_runtimes():
    yield Runtime(**{{"name": "NAME", "summary": "faulty", "load": print, "device": "cpu", "rank": 10_000,
        "precisions": frozenset({{Precision.fp32}}), "available": usable, **dict({arguments})}})
"""
    return Faulty(name, body, reason, f"+stage=doctor backend={name}")


def family(name: str, values: str, reason: str, before: str = "") -> Faulty:
    body = f"""{before}@hookimpl{"" if before else "  # HERE"}
def hookline_models():
    yield ModelFamily(name="NAME", summary="faulty", load=print, head=print, {values})
"""
    return Faulty(name, body, reason)


def reserved(name: str, word: str) -> Faulty:
    """A stage with a name that it must not have."""
    body = "@dataclass\nclass Options:\n    size: int = 1\n" + STAGE.replace("NAME", word)
    return Faulty(name, body, "is reserved")


def conf(name: str, files: dict[str, str], reason: str) -> Faulty:
    body = f"@hookimpl\ndef hookline_conf():\n    yield {name + '_conf'!r}\n"
    return Faulty(name, body, reason, files=files)


def stage(name: str, body: str, reason: str) -> Faulty:
    """A stage that loads, and fails when it runs."""
    text = f"@dataclass\nclass Options:\n    size: int = 1\n{body}"
    if "def hookline_stages" not in body:
        text += STAGE[STAGE.index("@hookimpl") :]
    return Faulty(name, text, reason, f"+stage={name}", state="loaded")


def returning(name: str, expression: str, reason: str) -> Faulty:
    body = f"""
def run(config: Options, context) -> Metrics:
    target = context.workdir / "result.txt"
    target.write_text("x")
    return {expression}
"""
    return stage(name, body, reason)


LOADING = [
    # options
    options(
        "opt_annotation", "    size: set[int] = field(default_factory=set)\n", "options of the stage 'opt_annotation'"
    ),
    options("opt_value", "    size: int = 'many'\n", "options of the stage"),
    Faulty(
        "opt_mutable",
        "@dataclass\nclass Options:\n    sizes: list[int] = []\n" + STAGE,
        "mutable default",
        "+stage=opt_mutable",
    ),
    options("opt_missing", "    size: int\n", "'size' has no default"),
    options("opt_factory", "    size: int = field(default_factory=lambda: 1 // 0)  # HERE\n", "ZeroDivisionError"),
    options("opt_plain", "class Options:\n    size: int = 1\n", "must be a dataclass, not <type>"),
    options("opt_range", "    size: Annotated[int, Range(1, 10)] = 99\n", "the default of size=99 is out of range"),
    options("opt_range_words", "    size: Annotated[int, Range('a', 'b')] = 1\n", "options of the stage"),
    options("opt_forward", "    size: Elsewhere = None\n", "Elsewhere"),
    options("opt_follows", "    size: int = shared('imgsize')\n", "Options.size = shared('imgsize'): unknown option"),
    options(
        "opt_follows_other", "    size: int = shared('train.epoch')\n", "'train.epoch'; did you mean train.epochs?"
    ),
    options(
        "opt_follows_null",
        "    precision: Precision = shared('precision')\n",
        "Options.precision is annotated Precision and follows 'precision', which is null:"
        " write `precision: Precision | None = shared('precision')`, or `shared('precision', otherwise=<value>)`",
    ),
    options(
        "opt_follows_type",
        "    size: int = shared('model')\n",
        "follows 'model', which is null: write `size: str | None = shared('model')`",
    ),
    options(
        "opt_follows_value",
        "    size: int = shared('backend')\n",
        "follows 'backend', which is 'auto': write `size: str = shared('backend')` (",
    ),
    options("opt_kind", "    part: str = chosen('x', kind='runtime')\n", "names parts of the unknown kind 'runtime'"),
    options(
        "opt_refuses", "    size: int = 1\n    def __post_init__(self):\n        raise ValueError('no')  # HERE\n", "no"
    ),
    options(
        "opt_exits",
        "    size: int = 1\n    def __post_init__(self):\n        raise SystemExit(3)  # HERE\n",
        "SystemExit: 3",
    ),
    Faulty(
        "opt_union",
        "@dataclass\nclass Options:\n    size: int | list[int] = 1\n" + STAGE,
        "options of the stage",
        "+stage=opt_union",
    ),
    Faulty(
        "opt_of_part",
        "@dataclass\nclass Options:\n    size: int = 'x'\n"
        "@hookimpl\ndef hookline_calibrators():\n"
        "    yield Calibrator(name='NAME', summary='', load=print, options=Options)\n",
        "options of the calibrator",
    ),
    calibrator(
        "opt_not_class",
        "name='opt_not_class', summary='', load=print, options={'size': 1}",
        "must be a dataclass, not {'size': 1}",
    ),
    # YAML
    conf("conf_gone", {}, "No module named 'conf_gone_conf'"),
    conf("conf_raises", {"conf_raises_conf/__init__.py": "raise KeyError('conf')\n"}, "KeyError: 'conf'"),
    conf(
        "conf_yaml",
        {"conf_yaml_conf/__init__.py": "", "conf_yaml_conf/stage/odd.yaml": "a: 1\nb: [1\nc: {  # HERE\n"},
        "'odd.yaml' is not YAML",
    ),
    conf(
        "conf_taken",
        {"conf_taken_conf/__init__.py": "", "conf_taken_conf/config.yaml": "# HERE\na: 1\n"},
        "plugins 'hookline' and 'conf_taken' both ship the YAML file 'config.yaml'",
    ),
    Faulty("conf_number", "@hookimpl\ndef hookline_conf():\n    yield 3\n", "names of packages, not 3"),
    # names
    calibrator("name_words", "name='two words', summary='', load=print", "'two words' cannot name a calibrator"),
    calibrator("name_keyword", "name='class', summary='', load=print", "'class' cannot name a calibrator"),
    calibrator("name_shipped", "name='minmax', summary='', load=print", "the calibrator 'minmax' belongs to hookline"),
    calibrator("name_null", "name='null', summary='', load=print", "does not read 'null' as a name"),
    calibrator("name_type", "name=3, summary='', load=print", "name"),
    Faulty(
        "name_twice",
        "@hookimpl  # HERE\ndef hookline_calibrators():\n"
        "    yield Calibrator(name='twice', summary='', load=print)\n"
        "    yield Calibrator(name='twice', summary='', load=print)\n",
        "'twice' is yielded twice",
    ),
    reserved("name_word", "weights"),
    reserved("name_kind", "runtimes"),
    reserved("name_store", "locks"),
    runtime("name_auto", "", "is reserved", "name='auto'"),
    # hooks
    Faulty(
        "hook_misspelt",
        "@hookimpl\ndef hookline_stagse():\n    yield 1\n",
        "did you mean hookline_stages",
    ),
    Faulty("hook_argument", "@hookimpl\ndef hookline_stages(config):\n    yield 1\n", "write def hookline_stages()"),
    Faulty(
        "hook_context",
        "@hookimpl\ndef hookline_before_stage(stpe):\n    ...\n",
        "unknown argument of hookline_before_stage 'stpe'; did you mean step? possible: step",
    ),
    Faulty(
        "hook_middle",
        "@hookimpl\ndef hookline_calibrators():\n    yield Calibrator(name='NAME', summary='', load=print)\n"
        "    raise KeyError('gone')  # HERE\n",
        "KeyError: 'gone'",
    ),
    Faulty(
        "hook_none",
        "@hookimpl\ndef hookline_stages():\n    yield None\n",
        "must yield Stage",
    ),
    Faulty(
        "hook_class",
        "@hookimpl\ndef hookline_stages():\n    yield Calibrator(name='a', summary='', load=print)\n",
        "must yield Stage, not Calibrator",
    ),
    Faulty("hook_returns", "@hookimpl\ndef hookline_stages():\n    pass\n", "must yield its values, not return None"),
    Faulty("hook_exits", "@hookimpl\ndef hookline_stages():\n    raise SystemExit(0)  # HERE\n", "SystemExit: 0"),
    Faulty(
        "hook_interrupts",
        "@hookimpl\ndef hookline_stages():\n    raise KeyboardInterrupt  # HERE\n",
        "KeyboardInterrupt",
    ),
    Faulty(
        "hook_stage",
        "def run(config, context): ...\n" + STAGE[STAGE.index("@hookimpl") :],
        "run needs 'config: <dataclass>'",
        "+stage=hook_stage",
    ),
    # descriptors
    runtime("part_rank", "", "rank must be int", "rank='high'"),
    runtime("part_precisions", "", "precisions must be", "precisions=['fp32']"),
    runtime(
        "part_available", "def gone():\n    raise OSError('no driver')  # HERE", "OSError: no driver", "available=gone"
    ),
    runtime(
        "part_available_none",
        "def gone():  # HERE\n    pass",
        "must return an Availability, not None",
        "available=gone",
    ),
    runtime(
        "part_check_device", "def gone(device):\n    return 1 // 0  # HERE", "ZeroDivisionError", "check_device=gone"
    ),
    runtime(
        "part_check_options",
        "def gone(options):\n    yield 'bad'",
        "must return problems (HooklineError), not 'bad'",
        "check_options=gone",
    ),
    runtime(
        "part_refuses",
        "def gone(options):\n    yield HooklineError('never')",
        "check_options refuses the defaults: never",
        "check_options=gone",
    ),
    Faulty(
        "part_property",
        "class Odd(Calibrator):\n    @property\n    def summary(self):\n        raise KeyError('summary')  # HERE\n"
        "    @summary.setter\n    def summary(self, value): ...\n"
        "@hookimpl\ndef hookline_calibrators():\n    yield Odd(name='NAME', summary='', load=print)\n",
        "summary",
    ),
    Faulty(
        "part_releases",
        "@hookimpl\ndef hookline_models():\n"
        "    yield ModelFamily(name='NAME', summary='', load=print, head=print, releases={'odd': 'https://example.com'})\n",
        "releases must be",
    ),
    Faulty(
        "part_taken_release",
        "@hookimpl\ndef hookline_models():\n    yield ModelFamily(name='NAME', summary='', load=print, head=print,\n"
        "        releases={'yolov5s': Release(url='', size=1, sha256='')})\n",
        "the release 'yolov5s' belongs to the family 'yolov5'",
    ),
    Faulty(
        "part_descriptor",
        "@dataclass(frozen=True, kw_only=True)\nclass Odd(ModelFamily):\n"
        "    def __post_init__(self):\n        raise KeyError('odd')  # HERE\n"
        "@hookimpl\ndef hookline_models():\n    yield Odd(name='NAME', summary='', load=print, head=print)\n",
        "hookline_models: KeyError: 'odd'",
    ),
    Faulty(
        "part_options",
        "@dataclass\nclass Options:\n    odd: int = 1\n"
        "    def __post_init__(self):\n        raise KeyError('odd')  # HERE\n"
        "@hookimpl\ndef hookline_models():\n"
        "    yield ModelFamily(name='NAME', summary='', load=print, head=print, options=Options)\n",
        "options of the model family 'part_options': KeyError: 'odd'",
    ),
    family(
        "part_training",
        "training=Options",
        "training options of the model family 'part_training': KeyError: 'no'",
        "@dataclass\nclass Options:\n    odd: int = 1\n"
        "    def __post_init__(self):\n        raise KeyError('no')  # HERE\n",
    ),
    family(
        "part_training_follows",
        "training=Options",
        "training options of the model family 'part_training_follows': Options.odd = shared('devise'): unknown option",
        "@dataclass\nclass Options:\n    odd: str = shared('devise')\n",
    ),
    family(
        "part_padding",
        "preprocessing=Preprocessing(padding='left')",
        "preprocessing.padding: expected one of centre, top_left",
    ),
    family("part_scale", "preprocessing=Preprocessing(scale=0)", "preprocessing.scale: expected a number above 0"),
    family(
        "part_border",
        "preprocessing=Preprocessing(pad_value='grey')",
        "preprocessing.pad_value: expected a whole number",
    ),
    family("part_preprocessing", "preprocessing={'scale': 1.0}", "preprocessing must be Preprocessing, not"),
    family("part_no_layout", "layouts=()", "layouts is empty"),
    family("part_layout", "layouts=('heads', 'a b')", "'a b' cannot name a layout"),
    family("part_decoded", "layouts=('decoded',)", "'decoded' cannot name a layout"),
    family("part_default", "default='nano'", "the default 'nano' is not one of the releases"),
    # import
    Faulty("import_gone", "import a_module_that_is_not_there  # HERE\n", "ModuleNotFoundError"),
    Faulty("import_syntax", "def hookline_stages(:  # HERE\n", "SyntaxError", head=False),
    Faulty("import_raises", "raise RuntimeError('at import')  # HERE\n", "RuntimeError: at import"),
    Faulty("import_exits", "import sys\nsys.exit('bye')  # HERE\n", "SystemExit: bye"),
    Faulty("import_interrupts", "raise KeyboardInterrupt  # HERE\n", "KeyboardInterrupt"),
    Faulty("import_modules", "import sys\ndel sys.modules['json']\n", "removed or replaced other modules (json)"),
    Faulty("import_folder", "import os\nos.chdir('/')\n", "changed the working directory"),
    Faulty(
        "import_signals",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n",
        "replaced the handler of SIGINT",
    ),
]
"""Faults that show when the plugins are loaded."""

RUNNING = [
    returning("gives_none", "None", "returned None, but its function declares Metrics"),
    returning("gives_other", "'result.txt'", "returned 'result.txt', but its function declares Metrics"),
    returning(
        "gives_type",
        "__import__('core.artifacts').artifacts.Comparison(path=target, values={})",
        "its function declares Metrics",
    ),
    returning("gives_text", "Metrics(path=str(target), values={})", "not a Path"),
    returning("gives_relative", "Metrics(path=Path('result.txt'), values={})", "relative path"),
    returning("gives_absent", "Metrics(path=target.with_name('other'), values={})", "does not exist"),
    returning("gives_nan", "Metrics(path=target, values={'map': float('nan')})", "NaN is not a JSON number"),
    returning("gives_object", "Metrics(path=target, values={'map': object()})", "has no JSON form"),
    returning("gives_notes", "Metrics(path=target, values={}, notes=(1,))", "notes[0]: expected a string, got 1"),
    stage(
        "stage_exits",
        "def run(config: Options, context) -> Metrics:\n    raise SystemExit(0)  # HERE\n",
        "raised SystemExit",
    ),
    stage(
        "stage_interrupts",
        "def run(config: Options, context) -> Metrics:\n    raise KeyboardInterrupt  # HERE\n",
        "raised KeyboardInterrupt",
    ),
    stage(
        "stage_check",
        "def check(config, context):\n    return 1 // 0  # HERE\n"
        "def run(config: Options, context) -> Metrics: ...\n"
        "@hookimpl\ndef hookline_stages():\n    yield Stage(name='NAME', summary='', run=run, check=check)\n",
        "check of Stage 'stage_check': ZeroDivisionError",
    ),
    stage(
        "stage_select",
        "def select(config, context):\n    return ['model']\n"
        "def run(config: Options, model: OnnxModel | None, context) -> Metrics: ...\n"
        "@hookimpl\ndef hookline_stages():\n    yield Stage(name='NAME', summary='', run=run, select=select)\n",
        "must return artifact types",
    ),
    stage(
        "stage_fingerprint",
        "def fingerprint(config, context):\n    raise LookupError('odd')  # HERE\n"
        "def run(config: Options, context) -> Metrics: ...\n"
        "@hookimpl\ndef hookline_stages():\n"
        "    yield Stage(name='NAME', summary='', run=run, fingerprint=fingerprint)\n",
        "LookupError: odd",
    ),
    stage(
        "stage_settle",
        "def settle(config):  # HERE\n    config.size = 2\n"
        "def run(config: Options, context) -> Metrics: ...\n"
        "@hookimpl\ndef hookline_stages():\n    yield Stage(name='NAME', summary='', run=run, settle=settle)\n",
        "settle of Stage 'stage_settle': must return the options (a dataclass), not None",
    ),
    stage(
        "part_load",
        "@dataclass\nclass Choice:\n    method: str = chosen('NAME', kind='calibrators')\n"
        "def load(options):\n    raise ImportError('libodd.so')  # HERE\n"
        "def run(config: Choice, context) -> Metrics:\n    context.calibrator(config.method)\n"
        "@hookimpl\ndef hookline_stages():\n    yield Stage(name='NAME', summary='', run=run)\n"
        "@hookimpl\ndef hookline_calibrators():\n    yield Calibrator(name='NAME', summary='', load=load)\n",
        "load of Calibrator 'part_load': ImportError: libodd.so",
    ),
]
"""Faults that show when the plugin is used; others are not affected."""
