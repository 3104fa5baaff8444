"""Print the stages whose keys change with each edit: ``python -m tests.support.keys_of_checkout FOLDER FILE...``.

It edits files of the checkout from which it imports ``core``. The keys are those of an engine of TensorRT for RTX with
the processor ``cupy`` and the model family ``yolov5``, without the digests of inputs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import core
from core.kinds.lifecycle import Step
from core.kinds.lookup import AUTO
from core.kinds.stage import Stage
from core.options.fields import shaping_parts
from core.planning.keys import key_of
from tests.support.runs import Program, plugins

OPTIONS = ("backend=tensorrt_rtx", "processor=cupy", "calibrator=percentile")
FAMILY = "yolov5"


def keys(program: Program) -> dict[str, str]:
    """Return the key of each stage."""
    request, context, _ = program.prepare(*OPTIONS)
    return {step.stage.name: key_of(step, {}, context) for step in steps(request.configs)}


def steps(configs: dict[str, object]) -> Iterator[Step]:
    """Yield each stage as a step without inputs and without facts from outside."""
    for name, stage in plugins().registry.all(Stage).items():
        families = (lambda config: (FAMILY,)) if stage.families else None
        alone = replace(stage, fingerprint=None, families=families)
        provides = stage.signature.provides[0]
        parts = [part for part in shaping_parts(configs[name]) if part[1] != AUTO]
        yield Step(alone, configs[name], requested=True, inputs={}, provides=provides, parts=parts)


def main(folder: str, *files: str) -> None:
    """Edit files one after the other, and print the stages with other keys than before, one JSON list per file.

    Args:
        folder: A new folder for runs.
        files: Names below the checkout.
    """
    program, checkout = Program(Path(folder)), Path(core.__file__).parents[1]
    before = keys(program)
    for name in files:
        file = checkout / name
        file.write_text(f"{file.read_text()}\n")
        after = keys(program)
        sys.stdout.write(json.dumps(sorted(stage for stage in after if after[stage] != before[stage])) + "\n")
        before = after


if __name__ == "__main__":
    main(*sys.argv[1:])
