"""The hooks that plugins implement; docs/hooks/ has a page for each.

A plugin is a module or object with functions of these names, marked with :data:`hookimpl`. An entry point in the group
``hookline`` names it. A function can take any subset of the arguments of its hook. Registration hooks yield values with
unique names; lifecycle hooks observe the run.
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
"""Decorator that marks a function of a plugin as the implementation of the hook of the same name.

A function can take any subset of the arguments of its hook. ``@hookimpl(tryfirst=True)``, ``trylast=True`` and
``wrapper=True`` have the meaning that pluggy gives them. A function ``hookline_*`` without the decorator is never
called, and each run warns of it.
"""


@hookspec
def hookline_stages() -> Iterable[Stage]:  # type: ignore[empty-body]
    """Yield stages. ``+stage=<name>`` runs a stage; its options are ``<name>.*``.

    Example::

        @hookimpl
        def hookline_stages():
            yield Stage(name="sharpen", summary="sharpen the first convolution", run=sharpen)
    """


@hookspec
def hookline_models() -> Iterable[ModelFamily]:  # type: ignore[empty-body]
    """Yield model families. ``weights=`` takes a file that one of them reads, or the name of one of their releases.

    Example::

        @hookimpl
        def hookline_models():
            yield ModelFamily(name="yolox", summary="YOLOX", load=load_yolox, head=bind_head, variants=("yolox_s",))
    """


@hookspec
def hookline_calibrators() -> Iterable[Calibrator]:  # type: ignore[empty-body]
    """Yield calibrators, i.e. methods that find the ranges of tensors. ``calibrator=<name>`` chooses one.

    Example::

        @hookimpl
        def hookline_calibrators():
            yield Calibrator(name="mse", summary="least squared error", load=lambda options: MseObserver())
    """


@hookspec
def hookline_quantizers() -> Iterable[Quantizer]:  # type: ignore[empty-body]
    """Yield quantizers. ``quantizer=<name>`` chooses one.

    Example::

        @hookimpl
        def hookline_quantizers():
            yield Quantizer(name="awq", summary="activation-aware rounding of weights", load=load_awq)
    """


@hookspec
def hookline_grafts() -> Iterable[Graft]:  # type: ignore[empty-body]
    """Yield grafts, which append the decode of boxes to a model. ``decode=<name>`` chooses one.

    Example::

        @hookimpl
        def hookline_grafts():
            yield Graft(name="my_nms", summary="decode of my chip", load=load_graft, families=frozenset({"yolox"}))
    """


@hookspec
def hookline_runtimes() -> Iterable[Runtime]:  # type: ignore[empty-body]
    """Yield runtimes, which build and run engines. ``backend=<name>`` chooses one.

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
    """Yield processors for pre- and post-processing. ``processor=<name>`` chooses one.

    Example::

        @hookimpl
        def hookline_processors():
            yield Processor(name="mychip", summary="letterbox on the chip", load=load, available=probe, device="cpu")
    """


@hookspec
def hookline_trackers() -> Iterable[Tracker]:  # type: ignore[empty-body]
    """Yield experiment trackers, which record losses, scores and images. ``tracker=[<name>, ...]`` chooses them.

    Example::

        @hookimpl
        def hookline_trackers():
            yield Tracker(name="mlflow", summary="runs on an MLflow server", load=load_mlflow, available=probe)
    """


@hookspec
def hookline_checks() -> Iterable[Check]:  # type: ignore[empty-body]
    """Yield checks of the machine. ``+stage=doctor`` runs all of them.

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
    """Yield importable packages with YAML files for Hydra's search path, e.g. ``stage/preset.yaml``.

    Example::

        @hookimpl
        def hookline_conf():
            yield "my_package.conf"
    """


@hookspec
def hookline_before_run(plan: Plan) -> None:
    """Called once before the first stage, after the plan has been checked.

    Example::

        @hookimpl
        def hookline_before_run(plan):
            print(len(plan.steps), "steps")
    """


@hookspec
def hookline_before_stage(step: Step) -> None:
    """Called before each stage, also if its result comes from the store.

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
    """Called after a stage raised ``error``, with which the run then ends. ``kept``: the finished part of its result.

    Example::

        @hookimpl
        def hookline_stage_failed(step, error):
            notify(f"{step.stage.name}: {error}")
    """


@hookspec
def hookline_after_run(summary: Summary) -> None:
    """Called once at the end of a run, also of a failed one, with the content of summary.json.

    Example::

        @hookimpl
        def hookline_after_run(summary):
            upload(summary.path)
    """
