"""Open a model as a session: engines and ONNX files by a runtime, checkpoints by their family, each checked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from core.artifacts import AnyModel, Checkpoint, Engine
from core.inference.session_statements import SessionFacts, check_session_facts
from core.kinds.context import RunContext
from core.kinds.session import CheckingSession, ReportingSession, Session
from core.kinds.table import KINDS
from core.options.sizes import fitted_size, size_to_use
from core.selection.openers import opener, opening_problems
from core.storage.sidecar import verify_file


def open_model(
    model: AnyModel,
    context: RunContext,
    *,
    imgsz: int | Sequence[int] | None = None,
    layout: str | None = None,
) -> Session:
    """Open a model; use the session in a ``with`` block.

    An engine is opened by the runtime that built it, an ONNX file by a runtime that opens ONNX files
    (``Runtime.opens_onnx``), a checkpoint by its model family. An engine is refused before its runtime is loaded if the
    runtime is missing, not usable, or does not work on the device of the run.

    Args:
        model: The artifact.
        context: For the parts and the device.
        imgsz: Input size of a checkpoint, or of a model with dynamic height and width. None: the size of the model; 640
            for a checkpoint.
        layout: Layout of a checkpoint; None: the first layout of its family. Other models have a fixed layout.

    Raises:
        HooklineError: The model does not fit the machine or the device, its runtime is not usable, or it does not
            accept ``imgsz``.
    """
    if isinstance(model, Checkpoint):
        return _open_checkpoint(model, context, imgsz, layout)
    name = opener(type(model), getattr(model, "runtime", ""), context)
    if isinstance(model, Engine):
        for problem in opening_problems(Engine, name, context, f"'{model.path.name}'"):
            raise problem
    else:
        verify_file(model)
    fitted = fitted_size(model, imgsz)
    session = context.runtime(name).open(fitted, device=context.device)
    threshold = getattr(model, "score_threshold", 0.0)
    wanted = SessionFacts(fitted.facts, fitted.contract, fitted.layout, threshold)
    return _checked(session, wanted, model, ("runtimes", name), context)


def warning_of_missed_boxes(session: Session, conf: float, name: str = "the model", verb: str = "set") -> str:
    """Return a warning that the graph drops boxes with scores above ``conf``; empty if it drops none of them.

    Args:
        session: The opened model.
        conf: Minimum score of a box, 0..1.
        name: Name of the model in the warning.
        verb: What to do with the option: "set", or "build it with".
    """
    if session.score_threshold <= conf:
        return ""
    return (
        f"{name} drops boxes below its score threshold {session.score_threshold:g}, so boxes with a "
        f"score above conf={conf:g} are missing; to keep them, {verb} graft.score_threshold={conf:g}"
    )


def _open_checkpoint(
    model: Checkpoint, context: RunContext, imgsz: int | Sequence[int] | None, layout: str | None
) -> Session:
    verify_file(model)
    height, width = size_to_use(imgsz, model.facts.max_stride)
    family = context.family(model.facts.family)
    contract = family.preprocessing.contract(batch=1, height=height, width=width, dynamic=("batch", "height", "width"))
    layout = layout or family.layouts[0]
    session = context.model(family.name).open(model, contract, layout=layout, device=context.device)
    return _checked(session, SessionFacts(model.facts, contract, layout), model, ("models", family.name), context)


def _checked(
    session: Session, wanted: SessionFacts, model: AnyModel, part: tuple[str, str], context: RunContext
) -> Session:
    """Compare the attributes of a session with its model, print where it runs, and return it.

    Args:
        session: The opened session.
        wanted: Required values of its attributes.
        model: The artifact.
        part: Kind and name of the part that opened it.
        context: For the head of the model and for messages.

    Raises:
        HooklineError: The attributes of the session differ.
    """
    (kind, name), file = part, f"'{model.path.name}'"
    title = f"{file}, opened by the {KINDS[kind].noun} '{name}' of {context.registry.origin(kind, name)},"
    with ExitStack() as stack:
        if hasattr(session, "__exit__"):
            stack.push(session)  # closes the session if the model is refused
        check_session_facts(session, title, wanted)
        head = context.head(wanted.facts, wanted.layout)
        if isinstance(session, CheckingSession):
            session.expect(head)
        stack.pop_all()
    if isinstance(session, ReportingSession):
        _report_place(session, file, context)
    from core.inference.checked_session import checked  # NumPy: `from hookline import open_model` stays light

    return checked(session, title, head)


def _report_place(session: ReportingSession, name: str, context: RunContext) -> None:
    """Print where a session runs, and its warning."""
    if session.place:
        context.note(f"{name} runs on {session.place}")
    if session.doubt:
        context.warn(session.doubt)
