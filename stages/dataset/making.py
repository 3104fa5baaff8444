"""Check a data set, write its report, and list its usable images. Heavy: imports NumPy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from core.artifacts import Dataset
from core.data.dataset import content_digest
from core.data.label_rows import RowProblem
from core.data.writing import LISTING, write_listing
from core.errors import HooklineError, counted, listed
from core.files.paths import free_path
from core.kinds.context import RunContext
from core.media.choices import Decoding
from stages.dataset.auditing import Audit, run_audit
from stages.dataset.config import Bad, DatasetConfig
from stages.dataset.findings import AuditFinding, Severity, counted_kinds, counts, lines_of, of_severity
from stages.dataset.listing import given_data, list_splits
from stages.dataset.report import write_report
from stages.dataset.sample_checks import CheckedSample
from stages.dataset.statistics import class_table, numbers_of, split_line, split_table

REPAIRS = {problem.value for problem in RowProblem if not problem.is_error} - {RowProblem.beyond.value}
"""Kinds of findings with which a row is not used as written."""
MAX_NAMED = 5
"""Maximum number of skipped images named in a note; the report lists all."""


def make_dataset(config: DatasetConfig, context: RunContext) -> Dataset:
    """Audit the data set, write the report, and list the usable images.

    Raises:
        HooklineError: No data set is given, or it has errors and ``config.bad`` does not allow skipping the images.
    """
    passed: list[str] = []
    spec, splits = list_splits(given_data(config), passed)
    for note in spec.notes:
        context.note(note)
    audit = run_audit(spec, splits, context, Decoding(config.max_pixels, config.image_depth))
    stops = _stops(audit, config.bad)
    numbers = numbers_of(audit)
    report = write_report(audit, numbers, context.workdir, seed=context.seed, drawn=config.report)
    if stops:
        shown = shutil.copytree(context.workdir, free_path(context.run_dir, "dataset"))
        raise _error(stops, config.bad, str(shown / report.name))
    if not context.requested:
        context.note(split_line(numbers.splits))
    _report_findings(audit, context)
    target = context.workdir / LISTING
    digest = content_digest(spec.names, audit.kept, context.cache_dir)
    write_listing(target, spec.names, audit.kept, digest, spec.path)
    return Dataset(
        path=target,
        digest=digest,
        names=spec.names,
        splits={split: len(samples) for split, samples in audit.kept.items()},
        classes=spec.classes,
        notes=(*passed, *_skipped(audit), *_repaired(audit), *_converted(audit)),
        report=(split_table(numbers.splits), class_table(numbers.classes)),
    )


def _stops(audit: Audit, bad: Bad) -> list[AuditFinding]:
    """Return the errors that stop the stage: all, or with ``skip`` those that skipping images does not solve."""
    errors = audit.of(Severity.error)
    if bad is Bad.stop:
        return errors
    empty = {split for split, samples in audit.kept.items() if not samples}
    return [finding for finding in errors if not finding.split or finding.split in empty]


def _error(stops: list[AuditFinding], bad: Bad, report: str) -> HooklineError:
    among = f" (the first of {counted_kinds(stops)})" if len(stops) > 1 else ""
    if bad is Bad.skip and stops[0].split:
        message = f"no image of split '{stops[0].split}' remains: {stops[0].message}{among}"
        return HooklineError(message, f"correct the errors; '{report}' lists all")
    alternative = ", or skip such images with dataset.bad=skip" if bad is Bad.stop and stops[0].split else ""
    return HooklineError(stops[0].message + among, f"correct the errors{alternative}; '{report}' lists all")


def _report_findings(audit: Audit, context: RunContext) -> None:
    for line in lines_of(audit.of(Severity.warning)):
        context.warn(line)
    for line in lines_of(audit.of(Severity.note)):
        context.note(line)


def _skipped(audit: Audit) -> Iterator[str]:
    """Yield one line per split with skipped images; all stages that use the data set print it."""
    for split, items in audit.left_out.items():
        if items:
            named = listed([f"{item.sample.image.name} ({_reason(item)})" for item in items], MAX_NAMED)
            more = ", all in report.json" if len(items) > MAX_NAMED else ""
            total = len(items) + len(audit.kept[split])
            yield f"skipped {len(items)} of {counted(total, 'image')} of '{split}': {named}{more}"


def _repaired(audit: Audit) -> Iterator[str]:
    """Yield one line per split with changed or dropped label rows; all stages that use the data set print it."""
    for split in audit.statistics:
        found = [item for item in audit.findings if item.split == split and item.kind in REPAIRS]
        if found:
            kinds = ", ".join(f"{count} {kind}" for kind, count in counts(found).items())
            rows = counted(len(found), "label row")
            yield f"repaired {rows} of '{split}' while reading: {kinds}; +stage=convert writes repaired labels"


def _converted(audit: Audit) -> Iterator[str]:
    """Yield a line per kind of converted images; all stages that use the data set print them."""
    yield from (f"data set: {line}" for line in audit.pixels.lines(audit.decoding.depth))


def _reason(checked: CheckedSample) -> str:
    return of_severity(checked.findings, Severity.error)[0].kind
