"""How TensorRT-RTX wants its graphs quantised: as TensorRT does."""

from __future__ import annotations

from dataclasses import replace

from backends.trt.style import STYLE as TENSORRT

STYLE = replace(TENSORRT, runtime="tensorrt_rtx")
