"""What hookline-anchorfree registers. Light: the implementations are imported when they are needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hookline import Graft, ModelFamily, Preprocessing, hookimpl
from hookline_anchorfree.head import AnchorFreeHead
from hookline_anchorfree.options import AnchorFreeTraining

if TYPE_CHECKING:
    from hookline_anchorfree.backend import AnchorFreeBackend
    from hookline_anchorfree.graft import AnchorFreeGraft

VARIANTS = ("anchorfree_n", "anchorfree_s")
PREPROCESSING = Preprocessing(padding="top_left", pad_value=114, channels="bgr", scale=1.0, offset=0.0)


def load_backend() -> AnchorFreeBackend:
    """Import the implementation of the family."""
    from hookline_anchorfree.backend import AnchorFreeBackend

    return AnchorFreeBackend(PREPROCESSING)


def load_graft() -> AnchorFreeGraft:
    """Import the implementation of the graft."""
    from hookline_anchorfree.graft import AnchorFreeGraft

    return AnchorFreeGraft()


@hookimpl
def hookline_models() -> Iterable[ModelFamily]:
    """The family."""
    yield ModelFamily(
        name="anchorfree",
        summary="a small anchor-free detector in the manner of YOLOX (example)",
        load=load_backend,
        head=AnchorFreeHead,
        grafts=("anchorfree",),
        preprocessing=PREPROCESSING,
        training=AnchorFreeTraining,
        variants=VARIANTS,
        strides=dict.fromkeys(VARIANTS, 32),
    )


@hookimpl
def hookline_grafts() -> Iterable[Graft]:
    """The graft."""
    yield Graft(
        name="anchorfree",
        summary="the decode of anchorfree in plain operators (example)",
        load=load_graft,
        families=frozenset({"anchorfree"}),
    )
