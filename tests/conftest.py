"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""One thread for PyTorch, here and in the commands that tests run, set before it is imported: in small convolutions
threads wait for each other longer than they compute, above all where other processes use the cores."""


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the test session: no test, and no command that one starts, writes into that of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOKLINE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for PyTorch in this module, whatever earlier tests have set."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data(repo_root: Path) -> Path:
    """Real weights, images and video; the test is skipped if they are absent."""
    folder = Path(os.environ.get("HOOKLINE_TEST_DATA", repo_root.parent / "shared" / "data"))
    if not (folder / "weights").is_dir():
        pytest.skip(f"no real data at '{folder}' (set HOOKLINE_TEST_DATA)")
    return folder
