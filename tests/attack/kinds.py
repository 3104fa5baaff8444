"""The kinds of input: their variants, and how many cases of each the whole suite runs."""

from __future__ import annotations

from dataclasses import dataclass

from tests.attack import (
    command_lines,
    environments,
    images,
    labels,
    lists,
    onnx_files,
    pickles,
    safetensors_files,
    sidecars,
    tables,
    videos,
    yaml_files,
)
from tests.attack.case import Variants


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        variants: Makers of cases by name.
        cases: How many the whole suite runs.
        fresh_every: Number of cases that share a process.
    """

    variants: Variants
    cases: int
    fresh_every: int = 40

    def is_fresh(self, number: int) -> bool:
        """Whether a case runs in a process of its own."""
        return number % self.fresh_every == self.fresh_every - 1


KINDS = {
    "pickles": Kind(pickles.VARIANTS, 240),
    "safetensors": Kind(safetensors_files.VARIANTS, 160),
    "sidecars": Kind(sidecars.VARIANTS, 220),
    "yaml": Kind(yaml_files.VARIANTS, 280),
    "labels": Kind(labels.VARIANTS, 160),
    "lists": Kind(lists.VARIANTS, 140),
    "onnx": Kind(onnx_files.VARIANTS, 220),
    "images": Kind(images.VARIANTS, 200),
    "videos": Kind(videos.VARIANTS, 100),
    "tables": Kind(tables.VARIANTS, 140),
    "environments": Kind(environments.VARIANTS, 144, fresh_every=1),
    "words": Kind(command_lines.VARIANTS, 400),
}
