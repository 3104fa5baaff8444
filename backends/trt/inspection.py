"""Check the precisions in which the layers of an engine run, with TensorRT's engine inspector.

TensorRT 10 reports the layout and type of a tensor in one field, ``Format/Datatype``; TensorRT 11 in two, ``Format``
and ``DataType``. Both need an engine built with detailed verbosity.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from backends.trt.logger import Watch
from backends.trt.opened_engine import OpenedEngine
from backends.trt.settings import SizeProfile
from core.errors import HooklineError, listed
from core.model_facts import Precision

UNKNOWN = "unknown"
TYPES = (
    ("int8", r"(?<![a-z])int8"),
    ("fp8", r"fp8"),
    ("bf16", r"bf16|bfloat16"),
    ("fp16", r"fp16|half|float16"),
    ("fp32", r"fp32|float"),
)
"""Name of each type, lowest first, and the pattern of TensorRT's names. The first match counts."""
ORDER = [word for word, _ in TYPES]
HIGHER = {Precision.int8: {"fp16", "bf16", "fp32"}, Precision.fp16: {"fp32"}, Precision.fp32: set[str]()}
HEAVY = re.compile(r"conv(?!er)|correlation|fprop|gemm|matmul|matrixmultiply", re.IGNORECASE)
MOVES = {"reformat", "noop", "constant", "shuffle", "copy", "signal", "wait", "trainstation"}
MAX_NAMED = 5
"""Maximum number of layers that a message names; ``<engine>.precision.json`` has all."""


@dataclass(frozen=True)
class EngineLayer:
    """A layer of an engine.

    Attributes:
        name: TensorRT's name: the names of the fused operators.
        kind: TensorRT's layer type, for example ``CaskConvolution``.
        precision: The type it computes in: ``int8``, ``fp8``, ``bf16``, ``fp16``, ``fp32`` or ``unknown``.
        heavy: Whether it is a convolution or matrix product, which take most of the time.
    """

    name: str
    kind: str
    precision: str
    heavy: bool


@dataclass(frozen=True)
class Precisions:
    """The precisions of an engine.

    Attributes:
        wanted: The requested precision.
        layers: The layers that compute.
        higher: Names of the heavy layers in higher precision than requested.
        warning: A warning for the user, or empty.
    """

    wanted: Precision
    layers: tuple[EngineLayer, ...]
    higher: tuple[str, ...]
    warning: str = ""

    def __str__(self) -> str:
        shown = ", ".join(f"{count} in {precision}" for precision, count in self.counts(heavy=True).items())
        return f"convolutions: {shown or 'none'}{_named(self.higher)}"

    def counts(self, *, heavy: bool) -> dict[str, int]:
        """Return the number of layers per precision, in descending order; of all layers or of the heavy ones."""
        return dict(Counter(layer.precision for layer in self.layers if layer.heavy or not heavy).most_common())

    def content(self) -> dict[str, object]:
        """Return the content of a JSON file."""
        return {
            "precision": self.wanted.value,
            "convolutions": self.counts(heavy=True),
            "all": self.counts(heavy=False),
            "higher": list(self.higher),
            "layers": [asdict(layer) for layer in self.layers],
        }


def inspect(opened: OpenedEngine, profile: SizeProfile | None) -> str:
    """Return the inspector's JSON. The types of an engine with dynamic shapes are those at the profile's optimum.

    Raises:
        HooklineError: TensorRT cannot create an execution context.
    """
    trt, watch = opened.library.trt, Watch(opened.library.journal)
    inspector = opened.engine.create_engine_inspector()
    if profile is not None:
        context = opened.new_context()  # without memory: nothing runs
        if context is None or not context.set_input_shape(profile.name, profile.opt):
            raise watch.error(f"the engine does not accept inputs of {profile}", "build for another size")
        inspector.execution_context = context
    return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def read_layers(text: str) -> tuple[EngineLayer, ...]:
    """Return the layers in an inspector's JSON of TensorRT 10 or 11, without layers that only move data.

    Raises:
        HooklineError: The text is not such JSON.
    """
    try:
        entries = list(json.loads(text, strict=False)["Layers"])  # layer names may contain control characters
    except (ValueError, KeyError, TypeError) as error:
        raise HooklineError(
            f"TensorRT's description of the engine cannot be read ({error})", "report this to the maintainers"
        ) from error
    layers = [_layer(entry) for entry in entries]
    return tuple(layer for layer in layers if layer.kind.lower() not in MOVES)


def check_precisions(layers: Sequence[EngineLayer], wanted: Precision) -> Precisions:
    """Refuse an engine if none of its convolutions runs in the requested precision.

    Raises:
        HooklineError: No convolution has the requested precision, or TensorRT does not report the precisions.
    """
    heavy = [layer for layer in layers if layer.heavy]
    higher = tuple(layer.name for layer in heavy if layer.precision in HIGHER[wanted])
    known = [layer for layer in heavy or layers if layer.precision != UNKNOWN]
    right = [layer for layer in known if layer.precision not in HIGHER[wanted]]
    if not right and wanted is not Precision.fp32:
        raise _not_built(known, wanted)
    minority = 2 * len(right) < len(known)
    warning = (
        f"only {len(right)} of {len(known)} convolutions run in {wanted.value}{_named(higher)}" if minority else ""
    )
    return Precisions(wanted, tuple(layers), higher, warning)


def _not_built(known: Sequence[EngineLayer], wanted: Precision) -> HooklineError:
    if not known:
        return HooklineError(
            f"cannot check that the engine runs in {wanted.value}: TensorRT reports layer types only for engines"
            " built with ProfilingVerbosity.DETAILED",
            "set precision=fp32, or install a TensorRT release that docs/tensorrt.md names",
        )
    others = ", ".join(sorted({layer.precision for layer in known}))
    return HooklineError(
        f"the engine does not run in {wanted.value}: all of its {len(known)} computing layers run in {others}",
        "see docs/tensorrt.md for the precisions of this GPU, or set another precision=",
    )


def _layer(entry: object) -> EngineLayer:
    if not isinstance(entry, Mapping):  # the engine holds layer names only
        return EngineLayer(str(entry), "", UNKNOWN, heavy=bool(HEAVY.search(str(entry))))
    kind = str(entry.get("LayerType", ""))
    described = " ".join(str(entry.get(key, "")) for key in ("LayerType", "ParameterType", "TacticName"))
    return EngineLayer(str(entry.get("Name", "")), kind, _precision(entry), heavy=bool(HEAVY.search(described)))


def _precision(entry: Mapping[str, object]) -> str:
    """Return the lowest input type, since a fused sum may add a tensor in higher precision; else weights, outputs."""
    weights = entry.get("Weights")
    sources = (
        [_type_text(tensor) for tensor in _listed(entry.get("Inputs"))],
        [str(weights.get("Type", ""))] if isinstance(weights, Mapping) else [],
        [_type_text(tensor) for tensor in _listed(entry.get("Outputs"))],
    )
    for texts in sources:
        if words := list(filter(None, map(_word, texts))):
            return min(words, key=ORDER.index)
    return UNKNOWN


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _type_text(tensor: object) -> str:
    """Return the type field of a tensor: TensorRT 11 has one for the type alone, TensorRT 10 for layout and type."""
    if not isinstance(tensor, Mapping):
        return ""
    return str(tensor.get("DataType") or tensor.get("Datatype") or tensor.get("Format/Datatype") or "")


def _word(text: str) -> str:
    return next((word for word, pattern in TYPES if re.search(pattern, text, re.IGNORECASE)), "")


def _named(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"; in higher precision: {listed(names, MAX_NAMED)}"
