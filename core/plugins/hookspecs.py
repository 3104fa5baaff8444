"""The hooks of hookline: all there is to implement. One page each in docs/hooks/.

A plugin is a module (or object) with functions of these names, marked with :data:`hookimpl`, and
named by an entry point in the group ``hookline``. A function may take any subset of a hook's
arguments. Registration hooks yield values with unique names; lifecycle hooks observe.
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
"""Decorator that marks a function of a plugin as the implementation of the hook of its name.

A function may take any subset of the hook's arguments. ``@hookimpl(tryfirst=True)``, ``trylast=True`` and
``wrapper=True`` mean what they mean in pluggy. A function ``hookline_*`` without the decorator is never called; each
run warns of it.
"""


@hookspec
def hookline_stages() -> Iterable[Stage]:  # type: ignore[empty-body]
    """Yield stages; each is chosen by ``+stage=<name>`` and has its options under ``<name>.*``.

    Example::

        @hookimpl
        def hookline_stages():
            yield Stage(name="sharpen", summary="sharpen the first convolution", run=sharpen)
    """


@hookspec
def hookline_models() -> Iterable[ModelFamily]:  # type: ignore[empty-body]
    """Yield model families; ``weights=`` takes a file that one of them reads, or one of their releases.

    Example::

        @hookimpl
        def hookline_models():
            yield ModelFamily(name="yolox", summary="YOLOX", load=load_yolox, head=bind_head, variants=("yolox_s",))
    """


@hookspec
def hookline_calibrators() -> Iterable[Calibrator]:  # type: ignore[empty-body]
    """Yield calibration methods; chosen by ``calibrator=<name>``.

    Example::

        @hookimpl
        def hookline_calibrators():
            yield Calibrator(name="mse", summary="least squared error", load=lambda options: MseObserver())
    """


@hookspec
def hookline_quantizers() -> Iterable[Quantizer]:  # type: ignore[empty-body]
    """Yield ways to quantise a model; chosen by ``quantizer=<name>``.

    Example::

        @hookimpl
        def hookline_quantizers():
            yield Quantizer(name="awq", summary="activation-aware rounding of weights", load=load_awq)
    """


@hookspec
def hookline_grafts() -> Iterable[Graft]:  # type: ignore[empty-body]
    """Yield ways to end a model in boxes; chosen by ``decode=<name>``.

    Example::

        @hookimpl
        def hookline_grafts():
            yield Graft(name="my_nms", summary="decode of my chip", load=load_graft, families=frozenset({"yolox"}))
    """


@hookspec
def hookline_runtimes() -> Iterable[Runtime]:  # type: ignore[empty-body]
    """Yield inference engines; chosen by ``backend=<name>``.

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
    """Yield pre- and post-processors; chosen by ``processor=<name>``.

    Example::

        @hookimpl
        def hookline_processors():
            yield Processor(name="mychip", summary="letterbox on the chip", load=load, available=probe, device="cpu")
    """


@hookspec
def hookline_trackers() -> Iterable[Tracker]:  # type: ignore[empty-body]
    """Yield recorders of a training's losses, scores and images; chosen by ``tracker=[<name>, ...]``.

    Example::

        @hookimpl
        def hookline_trackers():
            yield Tracker(name="mlflow", summary="runs on an MLflow server", load=load_mlflow, available=probe)
    """


@hookspec
def hookline_checks() -> Iterable[Check]:  # type: ignore[empty-body]
    """Yield looks at the machine; ``+stage=doctor`` takes them all.

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
    """Yield importable packages that hold YAML for Hydra's search path, e.g. ``stage/preset.yaml``.

    Example::

        @hookimpl
        def hookline_conf():
            yield "my_package.conf"
    """


@hookspec
def hookline_before_run(plan: Plan) -> None:
    """Called once, when the plan has been checked and before the first stage.

    Example::

        @hookimpl
        def hookline_before_run(plan):
            print(len(plan.steps), "steps")
    """


@hookspec
def hookline_before_stage(step: Step) -> None:
    """Called before each stage, also when its result will come from the store.

    Example::

        @hookimpl
        def hookline_before_stage(step):
            print("starting", step.stage.name)
    """


@hookspec
def hookline_after_stage(step: Step, artifact: Artifact, reused: bool, seconds: float) -> None:
    """Called when a stage has given its artifact; ``reused`` says that it came from the store.

    Example::

        @hookimpl
        def hookline_after_stage(step, seconds):
            print(step.stage.name, f"{seconds:.1f} s")
    """


@hookspec
def hookline_stage_failed(step: Step, error: BaseException, kept: Artifact | None) -> None:
    """Called when a stage raised; the run ends with the same error afterwards. ``kept`` is what it has finished.

    Example::

        @hookimpl
        def hookline_stage_failed(step, error):
            notify(f"{step.stage.name}: {error}")
    """


@hookspec
def hookline_after_run(summary: Summary) -> None:
    """Called once at the end, also of a failed run, with what summary.json says.

    Example::

        @hookimpl
        def hookline_after_run(summary):
            upload(summary.path)
    """
