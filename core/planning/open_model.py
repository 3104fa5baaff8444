"""Open a model as a session: engines and ONNX files by a runtime, checkpoints by their family, each checked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from core.artifacts import AnyModel, Checkpoint, Engine
from core.kinds.context import RunContext
from core.kinds.session import CheckingSession, ReportingSession, Session
from core.kinds.table import KINDS
from core.options.sizes import fitted_size, size_to_use
from core.planning.checked_session import Statements, check_statements, checked
from core.planning.opening import opener, opening_problems
from core.storage.sidecar import verify_file


def open_model(
    model: AnyModel,
    context: RunContext,
    *,
    imgsz: int | Sequence[int] | None = None,
    layout: str | None = None,
) -> Session:
    """Open a model; use the session in a ``with`` block.

    An engine is opened by the runtime that built it, an ONNX file of any kind by a runtime that opens them
    (``Runtime.opens_onnx``), a checkpoint by its model family. An engine whose runtime is missing, cannot be used, or
    does not work on the device of the run is refused before the runtime is loaded.

    Args:
        model: The artifact.
        context: Gives parts and the device.
        imgsz: Input size of a checkpoint, or of a model whose height and width are dynamic. None: the size of the
            model; 640 for a checkpoint.
        layout: Of a checkpoint, None for the first one of its family; the other models have theirs.

    Raises:
        HooklineError: The model does not fit this machine or the device, its runtime cannot be used, or it does not
            take ``imgsz``.
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
    wanted = Statements(fitted.facts, fitted.contract, fitted.layout, threshold)
    return _checked(session, wanted, model, ("runtimes", name), context)


def missed_boxes(session: Session, conf: float, name: str = "the model", remedy: str = "set") -> str:
    """Return a warning that the graph drops boxes which ``conf`` asks for; empty where it drops none of them.

    Args:
        session: The opened model.
        conf: Minimum score of a box, 0..1.
        name: What the warning calls the model.
        remedy: What to do with the option that the warning names.
    """
    if session.score_threshold <= conf:
        return ""
    return (
        f"{name} itself drops boxes below its score threshold {session.score_threshold:g}, so that some with a "
        f"score above conf={conf:g} are missed; to find all, {remedy} graft.score_threshold={conf:g}"
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
    return _checked(session, Statements(model.facts, contract, layout), model, ("models", family.name), context)


def _checked(
    session: Session, wanted: Statements, model: AnyModel, part: tuple[str, str], context: RunContext
) -> Session:
    """Compare what a session states with its model, print what it says of where it computes, and return it.

    Args:
        session: What the part opened.
        wanted: What it must state.
        model: The artifact.
        part: Kind and name of the part that opened it.
        context: For the head of the model, and messages.

    Raises:
        HooklineError: The session is not that of the model.
    """
    (kind, name), file = part, f"'{model.path.name}'"
    title = f"{file}, opened by the {KINDS[kind][1]} '{name}' of {context.registry.origin(kind, name)},"
    with ExitStack() as stack:
        if hasattr(session, "__exit__"):
            stack.push(session)  # it is closed where the model is refused
        check_statements(session, title, wanted)
        head = context.head(wanted.facts, wanted.layout)
        if isinstance(session, CheckingSession):
            session.expect(head)
        stack.pop_all()
    if isinstance(session, ReportingSession):
        _tell(session, file, context)
    return checked(session, title, head)


def _tell(session: ReportingSession, name: str, context: RunContext) -> None:
    """Print what a session says of where it computes."""
    if session.place:
        context.note(f"{name} runs on {session.place}")
    if session.doubt:
        context.warn(session.doubt)
