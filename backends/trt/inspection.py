"""In which precision the layers of an engine really run, by TensorRT's engine inspector.

TensorRT 10 gives a tensor's layout and type in one text, ``Format/Datatype``; TensorRT 11 in two, ``Format`` and
``DataType``. Only engines built with detailed verbosity say either.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from backends.trt.execution import Opened
from backends.trt.failures import Watch
from backends.trt.settings import SizeProfile
from core.errors import HooklineError
from core.model_facts import Precision

UNKNOWN = "unknown"
TYPES = (
    ("int8", r"(?<![a-z])int8"),
    ("fp8", r"fp8"),
    ("bf16", r"bf16|bfloat16"),
    ("fp16", r"fp16|half|float16"),
    ("fp32", r"fp32|float"),
)
"""Our word for a type, lowest first, and how TensorRT's texts name it. The first that fits counts."""
ORDER = [word for word, _ in TYPES]
HIGHER = {Precision.int8: {"fp16", "bf16", "fp32"}, Precision.fp16: {"fp32"}, Precision.fp32: set[str]()}
HEAVY = re.compile(r"conv(?!er)|correlation|fprop|gemm|matmul|matrixmultiply", re.IGNORECASE)
MOVES = {"reformat", "noop", "constant", "shuffle", "copy", "signal", "wait", "trainstation"}
NAMED = 5
"""Layers that a line names; the file beside the engine has all."""


@dataclass(frozen=True)
class EngineLayer:
    """A layer of an engine.

    Attributes:
        name: As TensorRT calls it: names of the operators in it.
        kind: As TensorRT calls it, e.g. ``CaskConvolution``.
        precision: ``int8``, ``fp8``, ``bf16``, ``fp16``, ``fp32``, or ``unknown``: type of what it computes with.
        heavy: A convolution or product of matrices, where the work is.
    """

    name: str
    kind: str
    precision: str
    heavy: bool


@dataclass(frozen=True)
class Precisions:
    """What an inspection found.

    Attributes:
        wanted: What was asked for.
        layers: Those that compute.
        higher: Names of the heavy layers that stayed in higher precision than was asked for.
        doubt: What the user must be told, else empty.
    """

    wanted: Precision
    layers: tuple[EngineLayer, ...]
    higher: tuple[str, ...]
    doubt: str = ""

    def __str__(self) -> str:
        shown = ", ".join(f"{count} in {precision}" for precision, count in self.counts(heavy=True).items())
        return f"convolutions: {shown or 'none'}{_named(self.higher)}"

    def counts(self, *, heavy: bool) -> dict[str, int]:
        """Number of layers by precision, the most first; of all, or of the heavy ones."""
        return dict(Counter(layer.precision for layer in self.layers if layer.heavy or not heavy).most_common())

    def content(self) -> dict[str, object]:
        """For a JSON file."""
        return {
            "precision": self.wanted.value,
            "convolutions": self.counts(heavy=True),
            "all": self.counts(heavy=False),
            "higher": list(self.higher),
            "layers": [asdict(layer) for layer in self.layers],
        }


def inspect(opened: Opened, profile: SizeProfile | None) -> str:
    """The inspector's JSON of an engine. Types in one with free sizes are settled by the profile's usual size.

    Raises:
        HooklineError: TensorRT makes no context for that.
    """
    trt, watch = opened.library.trt, Watch(opened.library)
    inspector = opened.engine.create_engine_inspector()
    if profile is not None:
        context = opened.new_context()  # it gets no memory: nothing is run
        if context is None or not context.set_input_shape(profile.name, profile.opt):
            raise watch.error(f"the engine takes no input of {profile}", "build another size")
        inspector.execution_context = context
    return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def read_layers(text: str) -> tuple[EngineLayer, ...]:
    """The layers of an inspector's JSON, of TensorRT 10 or 11, without those that only move data.

    Raises:
        HooklineError: It is no such JSON.
    """
    try:
        entries = list(json.loads(text, strict=False)["Layers"])  # names of layers may hold control characters
    except (ValueError, KeyError, TypeError) as error:
        raise HooklineError(
            f"TensorRT's description of the engine cannot be read ({error})", "tell the maintainers"
        ) from error
    layers = [_layer(entry) for entry in entries]
    return tuple(layer for layer in layers if layer.kind.lower() not in MOVES)


def judge(layers: Sequence[EngineLayer], wanted: Precision) -> Precisions:
    """Refuse an engine none of whose convolutions runs in the precision that was asked for.

    Raises:
        HooklineError: It is not what was asked for, or TensorRT does not tell.
    """
    heavy = [layer for layer in layers if layer.heavy]
    higher = tuple(layer.name for layer in heavy if layer.precision in HIGHER[wanted])
    known = [layer for layer in heavy or layers if layer.precision != UNKNOWN]
    right = [layer for layer in known if layer.precision not in HIGHER[wanted]]
    if not right and wanted is not Precision.fp32:
        raise _not_built(known, wanted)
    few = 2 * len(right) < len(known)
    doubt = f"only {len(right)} of {len(known)} convolutions run in {wanted.value}{_named(higher)}" if few else ""
    return Precisions(wanted, tuple(layers), higher, doubt)


def _not_built(known: Sequence[EngineLayer], wanted: Precision) -> HooklineError:
    if not known:
        return HooklineError(
            f"whether the engine runs in {wanted.value} is unknown: TensorRT does not report the types of the layers of"
            " engines whose ProfilingVerbosity is not DETAILED",
            "set precision=fp32, or take a release of TensorRT that docs/tensorrt.md names",
        )
    others = ", ".join(sorted({layer.precision for layer in known}))
    return HooklineError(
        f"TensorRT built no {wanted.value} engine: all of its {len(known)} layers that compute run in {others}",
        "is this GPU made for it? see docs/tensorrt.md; another precision= can be built",
    )


def _layer(entry: object) -> EngineLayer:
    if not isinstance(entry, Mapping):  # the engine tells names only
        return EngineLayer(str(entry), "", UNKNOWN, heavy=bool(HEAVY.search(str(entry))))
    kind = str(entry.get("LayerType", ""))
    described = " ".join(str(entry.get(key, "")) for key in ("LayerType", "ParameterType", "TacticName"))
    return EngineLayer(str(entry.get("Name", "")), kind, _precision(entry), heavy=bool(HEAVY.search(described)))


def _precision(entry: Mapping[str, object]) -> str:
    """The lowest of the inputs' types: a fused sum may add a tensor in higher precision. Else weights, else outputs."""
    weights = entry.get("Weights")
    told = (
        [_type_text(tensor) for tensor in _listed(entry.get("Inputs"))],
        [str(weights.get("Type", ""))] if isinstance(weights, Mapping) else [],
        [_type_text(tensor) for tensor in _listed(entry.get("Outputs"))],
    )
    for texts in told:
        if words := list(filter(None, map(_word, texts))):
            return min(words, key=ORDER.index)
    return UNKNOWN


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _type_text(tensor: object) -> str:
    """TensorRT 11 names the type by itself, TensorRT 10 within the layout."""
    if not isinstance(tensor, Mapping):
        return ""
    return str(tensor.get("DataType") or tensor.get("Datatype") or tensor.get("Format/Datatype") or "")


def _word(text: str) -> str:
    return next((word for word, pattern in TYPES if re.search(pattern, text, re.IGNORECASE)), "")


def _named(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"; in higher precision: {', '.join(names[:NAMED])}{more}"
