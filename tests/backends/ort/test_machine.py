"""The machine facts of an engine."""

from __future__ import annotations

import platform
from dataclasses import replace

import onnxruntime as ort
import pytest

from backends.ort.machine import check_machine, this_machine
from core.errors import HooklineError
from tests.core.storage.test_serial import ENGINE

X86 = "processor : 0\nflags : fpu avx512_vnni fma avx2 sse\n\nprocessor : 1\nflags : fpu avx512_vnni fma avx2 sse\n"


def test_instruction_sets(tmp_path):
    for name, text, expected in [
        ("x86", X86, "avx2 fma avx512_vnni"),
        ("arm", "Features : fp asimd asimddp i8mm\n", "asimddp i8mm"),
        ("old", "flags : fpu sse\n", ""),
    ]:
        (tmp_path / name).write_text(text)
        assert this_machine(tmp_path / name)["instructions"] == expected


def test_without_cpuinfo_the_processor_is_named(tmp_path):
    assert this_machine(tmp_path / "absent") == {
        "onnxruntime": ort.__version__,
        "architecture": platform.machine(),
        "instructions": platform.processor(),
    }


def test_an_optimisation_that_nobody_knows():
    engine = replace(ENGINE, machine={"optimisation": "most"})
    with pytest.raises(HooklineError, match="has the optimisation 'most', which is not one of all, extended, none"):
        check_machine(engine, this_machine())
