"""The first runs of an engine, which are slower than all that follow."""

from __future__ import annotations

import numpy as np

from core.kinds.session import Session


def warm_up(session: Session, runs: int) -> None:
    """Run ``session`` ``runs`` times on a batch of grey images."""
    contract = session.contract
    size = (contract.batch, 3, contract.height, contract.width)
    grey = np.full(size, contract.pad_value * contract.scale + contract.offset, np.float32)
    for _ in range(runs):
        session.run(grey)
