"""A checkpoint that runs in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hookline import InputContract, ModelFacts
from hookline_anchorfree.head import NAMES
from hookline_anchorfree.network import Activated, Detector


class TorchSession:
    """Implements hookline's ``Session``; accepts any batch and any size that is a multiple of 32."""

    score_threshold = 0.0

    def __init__(
        self, network: Detector, facts: ModelFacts, contract: InputContract, layout: Any, device: torch.device
    ) -> None:
        self.facts, self.contract, self.layout = facts, contract, layout
        self._device = device
        self._model = Activated(network).to(device).eval()

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Infer one batch."""
        with torch.inference_mode():
            levels = self._model(torch.from_numpy(images).to(self._device))
        return {name: level.cpu().numpy() for name, level in zip(NAMES, levels, strict=True)}

    def __enter__(self) -> TorchSession:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def device_of(word: str) -> torch.device:
    """Return the device that ``device=`` names; ``auto`` is a GPU where PyTorch has one."""
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(word)
