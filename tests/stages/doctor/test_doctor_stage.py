"""The stage: parallel checks, findings weighed for the target, report, table, exit code."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.system.probing import LIMIT
from core.errors import HooklineError
from core.kinds.check import Check, Finding, State, Target, absent, broken, doubtful, fine
from core.kinds.part import Availability
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.model_facts import Precision
from core.plugins.loading import load_plugins
from stages.doctor import check, doctor
from stages.doctor.config import DoctorConfig
from stages.doctor.report import Examined, rendered
from tests.support.stage_tools import Memory, make_context

YES = Availability(usable=True, reason="it is here")
NO = Availability(usable=False, reason="the chip is missing", hint="plug it in")


def runtime(name: str, available: Callable[[], Availability], rank: int = 0, **words: Any) -> Runtime:
    return Runtime(
        name=name,
        summary=name,
        load=lambda options: None,  # type: ignore[arg-type,return-value]
        available=available,
        precisions=frozenset(Precision),
        rank=rank,
        **({"device": "cpu"} | words),
    )


def processor(name: str, available: Callable[[], Availability] = lambda: YES, device: str = "cpu") -> Processor:
    return Processor(name=name, summary=name, load=lambda options: None, available=available, device=device)  # type: ignore[arg-type,return-value]


def looking(name: str, look: Callable[[Target], Iterable[Finding]], *needed_by: str, limit: float = 20.0) -> Check:
    return Check(name=name, summary=name, load=lambda options: look, needed_by=frozenset(needed_by), limit=limit)


def run(folder: Path, *checks: Check, **words: Any) -> tuple[dict[str, Any], Any, Memory]:
    """report.json, the artifact, and what was said."""
    context, memory = make_context(
        folder,
        runtimes=[runtime("plain", lambda: YES, 1), runtime("chip", lambda: NO, 2)],
        processors=[processor("cpu")],
        checks=checks,
    )
    config = DoctorConfig(**({"backend": "auto", "processor": "auto", "store": str(folder / "store")} | words))
    assert list(check(config, context)) == []
    artifact = doctor(config, context)
    return json.loads(artifact.path.read_text(encoding="utf-8")), artifact, memory


def by_check(report: dict[str, Any], name: str) -> dict[str, str]:
    (found,) = [item for item in report["findings"] if item["check"] == name]
    return found


def test_auto_reports_its_choice(tmp_path: Path) -> None:
    report, artifact, _memory = run(tmp_path)
    assert (report["asked"]["backend"], report["asked"]["processor"]) == ("plain", "cpu")
    assert "takes plain" in artifact.report[0]
    assert artifact.problem == ""
    assert artifact.values["error"] == 0


@pytest.mark.parametrize(
    ("finding", "backend", "state", "bad"),
    [
        (broken("x", "bad", "mend it"), "plain", State.warning, False),
        (broken("x", "bad", "mend it"), "chip", State.error, True),
        (absent("x", "none", "get it"), "plain", State.absent, False),
        (absent("x", "none", "get it"), "chip", State.error, True),
        (doubtful("x", "old", "update it"), "chip", State.warning, True),
        (fine("x", "good"), "chip", State.ok, True),
    ],
)
def test_findings_are_weighed_for_the_target(
    tmp_path: Path, finding: Finding, backend: str, state: State, bad: bool
) -> None:
    report, artifact, _ = run(tmp_path, looking("x", lambda target: [finding], "chip"), backend=backend)
    assert by_check(report, "x")["state"] == state.value
    assert bool(artifact.problem) is bad  # the backend 'chip' itself cannot be used


def test_an_error_that_everything_needs_ends_every_run(tmp_path: Path) -> None:
    _, artifact, _ = run(tmp_path, looking("disk", lambda target: [broken("disk", "full", "make room")]))
    assert artifact.problem == "backend=plain with processor=cpu cannot work here: disk"
    assert artifact.remedy == "first: make room"


def test_a_check_that_raises_is_a_finding(tmp_path: Path) -> None:
    def look(target: Target) -> Iterable[Finding]:
        yield fine("seen", "before")
        raise ZeroDivisionError("by zero")

    report, artifact, _ = run(tmp_path, looking("mine", look))
    found = by_check(report, "mine")
    assert found["state"] == "warning"
    assert "ZeroDivisionError: by zero (test_doctor_stage.py:" in found["found"]
    assert "plugins.disable=[tests]" in found["remedy"]
    assert artifact.problem == ""


def test_a_finding_without_a_remedy_is_a_fault_of_the_check(tmp_path: Path) -> None:
    report, _, _ = run(tmp_path, looking("mine", lambda target: [Finding("x", State.error, "bad")]))
    assert "has no remedy" in by_check(report, "mine")["found"]


def test_a_hanging_check_is_reported(tmp_path: Path) -> None:
    def look(target: Target) -> Iterable[Finding]:
        time.sleep(60)
        return []

    start = time.monotonic()
    report, _, _ = run(tmp_path, looking("stuck", look, limit=0.2))
    assert time.monotonic() - start < 5
    found = by_check(report, "stuck")
    assert found["state"] == "error"
    assert "0.2 s" in found["found"]


def test_checks_run_in_parallel_and_are_reported_in_order(tmp_path: Path) -> None:
    def slow(target: Target) -> Iterable[Finding]:
        time.sleep(0.3)
        return [fine("slow", "good")]

    start = time.monotonic()
    report, _, _ = run(tmp_path, *(looking(f"check{number}", slow) for number in range(8)))
    assert time.monotonic() - start < 1.5
    checks = [item["check"] for item in report["findings"] if item["check"].startswith("check")]
    assert checks == [f"check{number}" for number in range(8)]


def test_availability_that_raises_is_a_finding(tmp_path: Path) -> None:
    def probe() -> Availability:
        raise OSError("libchip.so")

    context, _ = make_context(
        tmp_path, runtimes=[runtime("plain", lambda: YES), runtime("odd", probe)], processors=[processor("cpu")]
    )
    artifact = doctor(DoctorConfig("plain", "cpu", None), context)
    report = json.loads(artifact.path.read_text(encoding="utf-8"))
    odd = next(item for item in report["findings"] if item["subject"] == "backend odd")
    assert (odd["state"], artifact.problem) == ("warning", "")


def test_nothing_can_be_used(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path, runtimes=[runtime("chip", lambda: NO)], processors=[processor("cpu")])
    artifact = doctor(DoctorConfig("auto", "auto", None), context)
    assert artifact.problem == "no backend can be used here: backend=auto"


def on(folder: Path, device: str, *checks: Check, **words: Any) -> tuple[dict[str, Any], Any]:
    """report.json and the artifact of a machine with a GPU backend, on which ``device=`` is given."""
    gpu = {"device": "cuda", "available": lambda: NO}
    context, _ = make_context(
        folder,
        runtimes=[
            runtime("plain", lambda: YES),
            runtime("chip", **gpu),
            runtime("ahead", lambda: YES, device="cuda", builds_anywhere=True),
        ],
        processors=[processor("cpu"), processor("fast", device="cuda")],
        checks=checks,
    )
    config = DoctorConfig(**({"backend": "plain", "processor": "cpu", "store": None} | words))
    artifact = doctor(config, replace(context, device=device))
    return json.loads(artifact.path.read_text(encoding="utf-8")), artifact


@pytest.mark.parametrize(
    ("device", "words", "state", "said"),
    [
        ("cpu", {"backend": "chip"}, "error", "backend=chip works with device=cuda only"),
        ("cpu", {"backend": "ahead"}, "warning", "engines can be built here, but not run"),
        ("cpu", {"processor": "fast"}, "error", "processor=fast works with device=cuda only"),
        ("cuda:1", {}, "error", "backend=plain works with device=cpu only, but device=cuda:1 is set"),
    ],
)
def test_a_device_on_which_the_target_does_not_work(
    tmp_path: Path, device: str, words: dict[str, str], state: str, said: str
) -> None:
    report, artifact = on(tmp_path, device, **words)
    found = next(item for item in report["findings"] if item["subject"] == "device")
    assert found["state"] == state
    assert said in found["found"]
    assert ("device" in artifact.problem) is (state == "error")


@pytest.mark.parametrize(
    ("builds_anywhere", "state", "said"),
    [(False, "error", "there is no GPU 7"), (True, "warning", "GPU 7: engines can be built here, but not run")],
)
def test_a_gpu_that_is_missing(tmp_path: Path, builds_anywhere: bool, state: str, said: str) -> None:
    missing = HooklineError("there is no GPU 7", "possible: auto")
    words = {"device": "cuda", "builds_anywhere": builds_anywhere, "check_device": lambda device: [missing]}
    context, _ = make_context(
        tmp_path, runtimes=[runtime("chip", lambda: YES, **words)], processors=[processor("fast", device="cuda")]
    )
    artifact = doctor(DoctorConfig("chip", "fast", None), replace(context, device="cuda:7"))
    report = json.loads(artifact.path.read_text(encoding="utf-8"))
    found = next(item for item in report["findings"] if item["subject"] == "device")
    assert (found["state"], found["remedy"]) == (state, "possible: auto")
    assert said in found["found"]


@pytest.mark.parametrize(
    ("device", "backend"), [("auto", "chip"), ("auto", "plain"), ("cpu", "plain"), ("cuda:0", "chip")]
)
def test_a_device_that_fits(tmp_path: Path, device: str, backend: str) -> None:
    report, _ = on(tmp_path, device, backend=backend)
    assert [item for item in report["findings"] if item["subject"] == "device"] == []


@pytest.mark.parametrize(("device", "state"), [("cuda:0", "error"), ("cuda", "error"), ("auto", "not applicable")])
def test_device_cuda_needs_the_checks_of_gpus(tmp_path: Path, device: str, state: str) -> None:
    gpu = looking("gpu", lambda target: [absent("gpu", "none", "get one")], "chip", "cuda")
    report, _ = on(tmp_path, device, gpu)
    assert by_check(report, "gpu")["state"] == state


def test_an_unresolved_processor_has_no_name(tmp_path: Path) -> None:
    gpu = looking("gpu", lambda target: [absent("gpu", "none", "get one")], "chip", "cuda")
    context, _ = make_context(
        tmp_path,
        runtimes=[runtime("chip", lambda: NO, device="cuda")],
        processors=[processor("fast", lambda: NO, device="cuda")],
        checks=[gpu],
    )
    artifact = doctor(DoctorConfig("chip", "auto", None), replace(context, device="cuda:0"))
    assert artifact.problem == "backend=chip cannot work here: processor=auto, backend chip, gpu"
    assert artifact.remedy == "first: plug it in"


def test_unknown_names(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path, runtimes=[runtime("tensorrt", lambda: YES)], processors=[processor("cpu")])
    (problem,) = check(DoctorConfig("tensort", "cpu", None), context)
    assert str(problem).startswith("unknown backend 'tensort'; did you mean tensorrt? possible: ")


def test_report_for_people(tmp_path: Path) -> None:
    _, artifact, _ = run(tmp_path, looking("x", lambda target: [doubtful("thing [x]", "old", "do [this]")]))
    text = (artifact.path.parent / "report.txt").read_text(encoding="utf-8")
    assert "!  thing [x]" in text
    assert "→  do [this]" in text
    assert text.splitlines()[-1] == "4 ok · 1 warning · 0 errors · 1 not applicable"


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("coloured", [False, True])
def test_table_keeps_its_width(width: int, coloured: bool) -> None:
    long = "a/very/long/path" * 20
    findings = tuple(make("subject of many words", long, long) for make in (absent, broken, doubtful))
    text = rendered([Examined("x", frozenset(), findings)], width, coloured=coloured)
    assert ("\x1b[" in text) is coloured
    plain = "".join(part.partition("m")[2] if index else part for index, part in enumerate(text.split("\x1b[")))
    assert max(map(len, plain.splitlines())) <= width
    assert plain.replace("\n", "").replace(" ", "").count("a/very") >= 6


def test_every_shipped_check_is_light_and_explained() -> None:
    checks = load_plugins().registry.parts("checks")
    assert len(checks) > 15
    known = {name for kind in ("runtimes", "processors") for name in load_plugins().registry.parts(kind)}
    known |= {"cuda"}
    assert {name: item.needed_by - known for name, item in checks.items() if item.needed_by - known} == {}
    assert [name for name, item in checks.items() if len(item.summary) < 20] == []


def test_every_shipped_check_loads() -> None:
    for item in load_plugins().registry.parts("checks").values():
        assert callable(item.load({}))


def test_no_shipped_check_imports_what_it_examines() -> None:
    code = """if True:
        import sys
        from core.plugins.loading import load_plugins
        for check in load_plugins().registry.parts("checks").values():
            check.load({})
        print([name for name in sys.argv[1:] if name in sys.modules])"""
    modules = ("av", "cupy", "cv2", "numpy", "onnxruntime", "pynvml", "tensorrt", "tensorrt_rtx", "torch")
    assert subprocess.check_output([sys.executable, "-c", code, *modules], text=True).strip() == "[]"


def test_each_backend_registers_its_own_checks() -> None:
    registry = load_plugins().registry
    for name, item in registry.parts("checks").items():
        package = registry.origin("checks", name).plugin.rpartition(".")[0]
        assert item.load({}).__module__.rpartition(".")[0] == package


def test_the_limit_of_a_check_exceeds_that_of_its_subprocess() -> None:
    checks = load_plugins().registry.parts("checks").values()
    assert [item.name for item in checks if item.limit <= LIMIT] == []


def test_every_shipped_check_is_in_the_document(repo_root: Path) -> None:
    text = (repo_root / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert [name for name in load_plugins().registry.parts("checks") if f"| `{name}` |" not in text] == []
