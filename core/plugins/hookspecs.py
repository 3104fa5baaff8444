"""The hook specifications of hookline, with one page each in docs/hooks/.

A plugin is a module or an object with functions of these names, marked with :data:`hookimpl`. An entry point in the
group ``hookline`` names it. A function may declare any subset of the arguments of its hook. Registration hooks yield
descriptors with unique names; lifecycle hooks observe a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from core.kinds.lookup import PROJECT

if TYPE_CHECKING:
    from core.artifacts import Artifact
    from core.kinds.calibrator import Calibrator
    from core.kinds.check import Check
    from core.kinds.graft import Graft
    from core.kinds.lifecycle import Plan, Step, Summary
    from core.kinds.model import ModelFamily
    from core.kinds.processor import Processor
    from core.kinds.quantizer import Quantizer
    from core.kinds.runtime import Runtime
    from core.kinds.stage import Stage
    from core.kinds.tracker import Tracker

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Decorator for a function of a plugin that implements the hook of the same name.

The function may declare any subset of the arguments of the hook. ``@hookimpl(tryfirst=True)``, ``trylast=True`` and
``wrapper=True`` have the meaning that they have in pluggy. A function ``hookline_*`` without the decorator is not
called; each run prints a warning.
"""


@hookspec
def hookline_stages() -> Iterable[Stage]:  # type: ignore[empty-body]
    """Yield stages. The user runs a stage with ``+stage=<name>`` and sets its options with ``<name>.<option>=``.

    Example::

        @hookimpl
        def hookline_stages():
            yield Stage(name="sharpen", summary="sharpen the first convolution", run=sharpen)
    """


@hookspec
def hookline_models() -> Iterable[ModelFamily]:  # type: ignore[empty-body]
    """Yield model families. ``weights=`` accepts a file that a family can read, or the name of one of its releases.

    Example::

        @hookimpl
        def hookline_models():
            yield ModelFamily(name="yolox", summary="YOLOX", load=load_yolox, head=bind_head, variants=("yolox_s",))
    """


@hookspec
def hookline_calibrators() -> Iterable[Calibrator]:  # type: ignore[empty-body]
    """Yield calibration methods. The user selects one with ``calibrator=<name>``.

    Example::

        @hookimpl
        def hookline_calibrators():
            yield Calibrator(name="mse", summary="least squared error", load=lambda options: MseObserver())
    """


@hookspec
def hookline_quantizers() -> Iterable[Quantizer]:  # type: ignore[empty-body]
    """Yield quantizers. The user selects one with ``quantizer=<name>``.

    Example::

        @hookimpl
        def hookline_quantizers():
            yield Quantizer(name="awq", summary="activation-aware rounding of weights", load=load_awq)
    """


@hookspec
def hookline_grafts() -> Iterable[Graft]:  # type: ignore[empty-body]
    """Yield grafts, which append the decode step to a model. The user selects one with ``decode=<name>``.

    Example::

        @hookimpl
        def hookline_grafts():
            yield Graft(name="my_nms", summary="decode on my chip", load=load_graft, families=frozenset({"yolox"}))
    """


@hookspec
def hookline_runtimes() -> Iterable[Runtime]:  # type: ignore[empty-body]
    """Yield inference runtimes. The user selects one with ``backend=<name>``.

    Example::

        @hookimpl
        def hookline_runtimes():
            yield Runtime(
                name="mychip",
                summary="MyChip 3",
                load=load,
                available=probe,
                device="cpu",
                precisions=frozenset({Precision.fp32, Precision.int8}),
                qdq=QdqStyle(per_channel=False),
                engine_suffix=".mychip",
            )
    """


@hookspec
def hookline_processors() -> Iterable[Processor]:  # type: ignore[empty-body]
    """Yield pre- and post-processors. The user selects one with ``processor=<name>``.

    Example::

        @hookimpl
        def hookline_processors():
            yield Processor(name="mychip", summary="letterbox on the chip", load=load, available=probe, device="cpu")
    """


@hookspec
def hookline_trackers() -> Iterable[Tracker]:  # type: ignore[empty-body]
    """Yield experiment trackers. The user selects them with ``tracker=[<name>, ...]``.

    Example::

        @hookimpl
        def hookline_trackers():
            yield Tracker(name="mlflow", summary="runs on an MLflow server", load=load_mlflow, available=probe)
    """


@hookspec
def hookline_checks() -> Iterable[Check]:  # type: ignore[empty-body]
    """Yield checks of this machine. ``+stage=doctor`` runs all of them.

    Example::

        @hookimpl
        def hookline_checks():
            yield Check(
                name="mychip",
                summary="MyChip: driver and firmware",
                load=found_at("my_package.checks:mychip"),
                needed_by=frozenset({"mychip"}),
            )
    """


@hookspec
def hookline_conf() -> Iterable[str]:  # type: ignore[empty-body]
    """Yield names of packages with YAML files for the search path of Hydra, e.g. ``stage/preset.yaml``.

    Example::

        @hookimpl
        def hookline_conf():
            yield "my_package.conf"
    """


@hookspec
def hookline_before_run(plan: Plan) -> None:
    """Called once, after the plan has been checked and before the first stage.

    Example::

        @hookimpl
        def hookline_before_run(plan):
            print(len(plan.steps), "steps")
    """


@hookspec
def hookline_before_stage(step: Step) -> None:
    """Called before each stage, also if its result is reused from the store.

    Example::

        @hookimpl
        def hookline_before_stage(step):
            print("starting", step.stage.name)
    """


@hookspec
def hookline_after_stage(step: Step, artifact: Artifact, reused: bool, seconds: float) -> None:
    """Called after each stage with its artifact. ``reused``: the artifact comes from the store.

    Example::

        @hookimpl
        def hookline_after_stage(step, seconds):
            print(step.stage.name, f"{seconds:.1f} s")
    """


@hookspec
def hookline_stage_failed(step: Step, error: BaseException, kept: Artifact | None) -> None:
    """Called after a stage has failed, before the run ends with the error. ``kept`` is its finished part, or None.

    Example::

        @hookimpl
        def hookline_stage_failed(step, error):
            notify(f"{step.stage.name}: {error}")
    """


@hookspec
def hookline_after_run(summary: Summary) -> None:
    """Called once at the end of each run, also of a failed one, with the content of summary.json.

    Example::

        @hookimpl
        def hookline_after_run(summary):
            upload(summary.path)
    """
