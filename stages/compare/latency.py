"""Latency of two models measured in turn, so that both meet the same state of the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.parts import Session

Outputs = Mapping[str, NDArray[np.number]]

PAUSE = 0.02
"""Seconds before each inference: the threads of the other session first stop waiting for work in a loop."""


@dataclass
class Duel:
    """Two sessions that run in turn; the order changes each time: A B, B A, A B, ...

    Attributes:
        sessions: The two.
        seconds: Time of every inference of each.
    """

    sessions: tuple[Session, Session]
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def warm_up(self, runs: int) -> None:
        """Run each on a grey picture, untimed."""
        for session in self.sessions:
            contract = session.contract
            grey = np.full((contract.batch, 3, contract.height, contract.width), 0.5, np.float32)
            for _ in range(runs):
                session.run(grey)

    def run(self, images: tuple[NDArray[np.float32], NDArray[np.float32]]) -> tuple[Outputs, Outputs]:
        """Time one inference of each; what they give."""
        outputs: dict[int, Outputs] = {}
        turn = (0, 1) if len(self.seconds[0]) % 2 == 0 else (1, 0)
        for side in turn:
            time.sleep(PAUSE)
            start = time.perf_counter()
            outputs[side] = self.sessions[side].run(images[side])
            self.seconds[side].append(time.perf_counter() - start)
        return outputs[0], outputs[1]

    def values(self) -> dict[str, float]:
        """Median and 95th percentile in milliseconds of each, and the ratio of the medians."""
        (median, p95), (reference, reference_p95) = map(_summary, self.seconds)
        return {
            "median_ms": median,
            "p95_ms": p95,
            "reference_median_ms": reference,
            "reference_p95_ms": reference_p95,
            "latency_ratio": median / reference,
            "inferences": len(self.seconds[0]),
        }


def _summary(seconds: Sequence[float]) -> tuple[float, float]:
    return 1000 * statistics.median(seconds), 1000 * float(np.quantile(seconds, 0.95))
