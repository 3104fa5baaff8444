"""Check a data set, write its report, and list its usable images. Heavy: imports NumPy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from core.artifacts import Dataset
from core.data.dataset import content_digest
from core.data.writing import LISTING, write_listing
from core.errors import HooklineError
from core.files.paths import free_path
from core.kinds.context import RunContext
from core.media.choices import Decoding
from core.options.sizes import network_size
from stages.dataset.auditing import Audit, run_audit
from stages.dataset.config import Bad, DatasetConfig
from stages.dataset.final_lines import final_lines
from stages.dataset.findings import AuditFinding, Severity, counted_kinds, lines_of, of_severity, selected
from stages.dataset.listing import given_data, list_splits
from stages.dataset.report import write_report
from stages.dataset.statistics import class_table, numbers_of, split_line, split_table


def make_dataset(config: DatasetConfig, context: RunContext) -> Dataset:
    """Audit the data set, write the report, and list the usable images.

    Raises:
        HooklineError: No data set is given; it has errors, and ``config.bad`` does not allow skipping the images; or it
            has warnings, and ``config.strict`` is set.
    """
    passed: list[str] = []
    spec, splits = list_splits(given_data(config), passed)
    for note in spec.notes:
        context.note(note)
    decoding = Decoding(config.max_pixels, config.image_depth)
    audit = run_audit(spec, splits, context, decoding, network_size(config.imgsz, 1))
    notes = final_lines(audit)
    audit.findings = selected(audit.findings, config.only, config.skip)
    stops = _stops(audit, config)
    numbers = numbers_of(audit)
    report = write_report(audit, numbers, context.workdir, seed=context.seed, drawn=config.report)
    if stops:
        shown = shutil.copytree(context.workdir, free_path(context.run_dir, "dataset"))
        for line in lines_of(audit.of(Severity.error)):
            context.note(line)
        _warn(audit.of(Severity.warning), context)
        _note(audit.of(Severity.note), context)
        raise _error(stops, config.bad, str(shown / report.name))
    if not context.requested:
        context.note(split_line(numbers.splits))
    _warn(audit.of(Severity.warning), context)
    _note(audit.of(Severity.note), context)
    target = context.workdir / LISTING
    digest = content_digest(spec.names, audit.kept, context.cache_dir)
    write_listing(target, spec.names, audit.kept, digest, spec.path)
    return Dataset(
        path=target,
        digest=digest,
        names=spec.names,
        splits={split: len(samples) for split, samples in audit.kept.items()},
        classes=spec.classes,
        notes=(*passed, *notes, *_converted(audit)),
        report=(split_table(numbers.splits), class_table(numbers.classes)),
    )


def _stops(audit: Audit, config: DatasetConfig) -> list[AuditFinding]:
    """Return the findings that stop the stage.

    These are the errors, or with ``skip`` those that skipping images does not solve, and with ``strict`` the warnings.
    """
    errors = audit.of(Severity.error)
    if config.bad is Bad.skip:
        empty = {split for split, samples in audit.kept.items() if not samples}
        errors = [finding for finding in errors if not finding.split or finding.split in empty]
    return errors + (audit.of(Severity.warning) if config.strict else [])


def _error(stops: list[AuditFinding], bad: Bad, report: str) -> HooklineError:
    first = stops[0]
    same = of_severity(stops, first.severity)
    among = f" (the first of {counted_kinds(same)})" if len(same) > 1 else ""
    if first.severity is Severity.warning:
        hint = f"correct the labels, or leave this kind out with dataset.skip=[{first.kind}]; '{report}' lists all"
        return HooklineError(f"dataset.strict=true, and {first.message}{among}", hint)
    if bad is Bad.skip and first.split:
        message = f"no image of split '{first.split}' remains: {first.message}{among}"
        return HooklineError(message, f"correct the errors; '{report}' lists all")
    alternative = ", or skip such images with dataset.bad=skip" if bad is Bad.stop and first.split else ""
    return HooklineError(first.message + among, f"correct the errors{alternative}; '{report}' lists all")


def _warn(findings: list[AuditFinding], context: RunContext) -> None:
    for line in lines_of(findings):
        context.warn(line)


def _converted(audit: Audit) -> Iterator[str]:
    """Yield a line per kind of converted images; all stages that use the data set print them."""
    yield from (f"data set: {line}" for line in audit.pixels.lines(audit.decoding.depth))


def _note(notes: list[AuditFinding], context: RunContext) -> None:
    """Print one line per kind of notes, or one line for all if the stage was not requested."""
    if context.requested:
        for line in lines_of(notes):
            context.note(line)
    elif notes:
        context.note(f"{counted_kinds(notes)}; +stage=dataset explains them")
