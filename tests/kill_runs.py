"""Kill runs at random moments, look at what lies there, and run them again: ``python -m tests.kill_runs --kills 300``.

A case is a command with a run directory, a store and a home of its own. It is ended by SIGKILL, SIGINT or SIGTERM, once
or several times, and then completed by the command that is meant for that. Whatever was hit, every file that is left
must be whole, nothing that was finished may be made again, and the result must be that of an undisturbed run.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import kill_checks
from tests.support.kill_scenarios import (
    SCENARIOS,
    STREAM_SECONDS,
    Place,
    Results,
    Scenario,
    environment,
    summary_of,
    write_inputs,
)
from tests.support.live_sender import Sender

LIMIT_SECONDS, ENDING_SECONDS, POLL_SECONDS = 180.0, 60.0, 0.005
AGAIN = 0.3
"""Share of the kills after which the next run is killed too."""
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
IN_MAIN = re.compile(r'core/run\.py", line \d+, in main$', re.MULTILINE)
RESUME = re.compile(r"to (?:resume|run again): (.*?)   \(finished stages are kept\)$", re.MULTILINE)


@dataclass
class Tally:
    """What happened in one scenario."""

    kills: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    too_late: int = 0
    reruns: int = 0
    resumed: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: its results, and seconds from its start until each phase began and until it ended."""

    results: Results
    moments: dict[str, float]
    seconds: float

    def length(self, phase: str) -> float:
        """Seconds until the next phase."""
        later = [moment for moment in [*self.moments.values(), self.seconds] if moment > self.moments[phase]]
        return min(later, default=self.seconds) - self.moments[phase]


class Command:
    """A process group of its own, with its output in a file."""

    def __init__(self, arguments: Sequence[str] | str, place: Place, log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                arguments,
                cwd=place.root,
                env=environment(place),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                shell=isinstance(arguments, str),
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """As a terminal (SIGINT) or the kernel (SIGKILL) sends it, to the group; SIGTERM to the process alone."""
        with suppress(ProcessLookupError):
            if number is signal.SIGTERM:
                self.process.send_signal(number)
            else:
                os.killpg(self.process.pid, number)

    def wait(self, seconds: float) -> int | None:
        """Return the exit code; None where it did not end in time and was killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._end_group()

    def _end_group(self) -> None:
        with suppress(ProcessLookupError):
            while True:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.poll()
                time.sleep(POLL_SECONDS)


class Material:
    """What scenarios share: the files that they read, and the stores that their cases begin with.

    Args:
        folder: Where all of it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.inputs = folder, folder / "inputs"
        self.inputs.mkdir(parents=True)
        write_inputs(self.inputs)
        self._prepared = dict[tuple[str, ...], Path]()

    def prepared(self, scenario: Scenario) -> Path | None:
        """Return the place in which the command that prepares a scenario has run; None where there is no such one."""
        words = scenario.prepare
        if words and words not in self._prepared:
            place = Place(self.folder / f"prepared{len(self._prepared)}")
            place.root.mkdir()
            command = Command(scenario.command(words, place, self.inputs), place, place.root / "prepare.log")
            assert command.wait(LIMIT_SECONDS) == 0, command.log
            self._prepared[words] = place.root
        return self._prepared.get(words)


class Harness:
    """All cases of one scenario.

    Args:
        scenario: What is killed.
        material: What it works on.
        seed: Of all random choices.
    """

    def __init__(self, scenario: Scenario, material: Material, seed: int) -> None:
        self.scenario, self.tally = scenario, Tally()
        self._inputs, self._folder, self._seed = material.inputs, material.folder / scenario.name, seed
        self._folder.mkdir()
        self._port = 0
        self._prepared = material.prepared(scenario)
        with self._camera():
            self.reference = self._refer()

    def run(self, kills: int, *, keep: bool = False) -> Tally:
        """Kill until ``kills`` have hit a running process."""
        number = 0
        while self.tally.kills < kills:
            number += 1
            place = self._place(f"case{number}")
            chance = random.Random(f"{self._seed}/{self.scenario.name}/{number}")
            problems = list(dict.fromkeys(self._case(place, chance, kills - self.tally.kills)))
            self.tally.problems += [f"{self.scenario.name} case {number}: {problem}" for problem in problems]
            for problem in problems:
                print(f"PROBLEM {self.scenario.name} case {number}: {problem}", flush=True)
            if not (keep and problems):
                shutil.rmtree(place.root)
        return self.tally

    def _refer(self) -> Reference:
        place = self._place("reference")
        begin, moments = time.monotonic(), dict[str, float]()
        command = self._start(place, self.scenario.words, "reference.log")
        while command.running:
            moment = time.monotonic() - begin
            for phase, pattern in self.scenario.phases.items():
                if phase not in moments and _begun(place, pattern):
                    moments[phase] = moment
            time.sleep(POLL_SECONDS)
        assert command.wait(LIMIT_SECONDS) == 0, command.log
        missing = set(self.scenario.phases) - set(moments)
        assert not missing, f"phases that the reference never saw: {missing}"
        return Reference(self.scenario.results(place), moments, time.monotonic() - begin)

    def _place(self, name: str) -> Place:
        place = Place(self._folder / name)
        if self._prepared is None:
            place.root.mkdir()
        else:
            shutil.copytree(self._prepared, place.root)
            shutil.rmtree(place.run)
        return place

    def _start(self, place: Place, words: tuple[str, ...], log: str) -> Command:
        arguments = self.scenario.command(words, place, self._inputs, self._port)
        return Command(arguments, place, place.root / log)

    @contextmanager
    def _camera(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self.scenario.live:
                self._port = stack.enter_context(Sender(self._inputs / "camera.ts", STREAM_SECONDS)).port
            yield

    def _case(self, place: Place, chance: random.Random, kills: int) -> Iterator[str]:
        with self._camera():
            more: tuple[str, ...] = ()
            before, printed = kill_checks.finished_in(place), ""
            for number in range(kills):
                command = self._start(place, (*self.scenario.words, *more), f"killed{number}.log")
                phase = self._hit(command, place, chance, again=number > 0)
                sent = chance.choice(SIGNALS)
                hit = command.running
                command.send(sent)
                code = command.wait(ENDING_SECONDS)
                where = f"(kill {number + 1}: {sent.name} in '{phase}')"
                if hit:
                    self.tally.kills += 1
                    self.tally.hits[phase] += 1
                    self.tally.signals[sent.name] += 1
                else:
                    self.tally.too_late += 1
                found = [*kill_checks.lost(before), *kill_checks.problems_after_a_kill(place)]
                found += self._problems_of_end(command, sent, code) if hit else []
                yield from (f"{problem} {where}" for problem in found)
                before = kill_checks.finished_in(place)
                resumable = self.scenario.resumable
                more = ("resume=true",) if resumable and _begun(place, resumable) else ()
                match = RESUME.search(command.log)
                printed = match.group(1) if match and hit else ""
                if chance.random() > AGAIN:
                    break
            yield from self._completed(place, more, before, printed, where)

    def _hit(self, command: Command, place: Place, chance: random.Random, *, again: bool) -> str:
        """Wait until a random moment; return the phase that it lies in."""
        phase = chance.choice(list(self.scenario.phases))
        pattern = "" if again else self.scenario.phases[phase]
        span = self.reference.seconds if again else self.reference.length(phase)
        while command.running and not _begun(place, pattern):
            time.sleep(POLL_SECONDS)
        until = time.monotonic() + chance.uniform(0, 1.1 * span)
        while command.running and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return [name for name, pattern in self.scenario.phases.items() if _begun(place, pattern)][-1]

    def _problems_of_end(self, command: Command, sent: signal.Signals, code: int | None) -> Iterator[str]:
        log = command.log
        if code is None:
            yield f"did not end within {ENDING_SECONDS:g} s: {_tail(log)}"
        if sent is signal.SIGKILL or code is None or _in_startup(log):
            return
        if "Traceback" in log:
            yield f"traceback: {_tail(log)}"
        allowed = {CODES[sent]}
        if "finished in" in log or (self.scenario.live and "frames:" in log):
            allowed = {0, CODES[sent]}
        told = 128 - code if code < 0 else code  # as a shell reports it
        if told not in allowed:
            yield f"exit code {code} instead of {CODES[sent]}: {_tail(log)}"
        if told == CODES[sent] and "plan:" in log and "finished in" not in log and not RESUME.search(log):
            yield f"no command to resume: {_tail(log)}"

    def _completed(
        self, place: Place, more: tuple[str, ...], before: kill_checks.Finished, printed: str, where: str
    ) -> Iterator[str]:
        runs: list[Command] = []
        if printed:
            runs.append(Command(printed, place, place.root / "printed.log"))
            runs[-1].wait(LIMIT_SECONDS)
        if not printed or self.scenario.sweep:  # a job of a sweep is resumed by itself
            runs.append(self._start(place, (*self.scenario.words, *more), "completed.log"))
            runs[-1].wait(LIMIT_SECONDS)
        self.tally.reruns += 1
        self.tally.resumed += bool(more)
        failed = [run for run in runs if run.process.returncode != 0]
        for run in failed:
            yield f"rerun ends with {run.process.returncode} {where}: {_tail(run.log)}"
        if failed:
            return
        found = [*kill_checks.lost(before), *kill_checks.problems_after_completion(place)]
        found += self._differences(place)
        found += self._not_reused(place, before)
        yield from (f"after the rerun {where}: {problem}" for problem in found)

    def _differences(self, place: Place) -> Iterator[str]:
        wanted, found = self.reference.results, self.scenario.results(place)
        for name in sorted({*wanted, *found}):
            if wanted.get(name) != found.get(name):
                yield f"other result: {name} is {found.get(name)}, in the undisturbed run {wanted.get(name)}"

    def _not_reused(self, place: Place, before: kill_checks.Finished) -> Iterator[str]:
        if self.scenario.sweep:
            return
        summary = summary_of(place.run)
        stored = {sidecar.relative_to(place.store).parts[0] for sidecar in before.entries}
        for stage in summary["stages"]:
            if stage["name"] in stored and stage["status"] != "reused":
                yield f"'{stage['name']}' was stored, and {stage['status']}"
        resumed = summary["metrics"].get("predict", {}).get("resumed", 0)
        incomplete = self.scenario.resumable and "predict" in summary["metrics"]
        if incomplete and any("resume" in item for item in summary["overrides"]) and resumed != len(before.frames):
            yield f"{len(before.frames)} frames were finished, and {resumed:g} were resumed"


def _begun(place: Place, pattern: str) -> bool:
    return not pattern or next(place.root.glob(pattern), None) is not None


def _in_startup(log: str) -> bool:
    """Whether Python was still starting, which answers a signal as it likes."""
    return "plan:" not in log and not IN_MAIN.search(log)


def _tail(log: str) -> str:
    return " | ".join(log.splitlines()[-6:])[-900:]


def table(tallies: dict[str, Tally]) -> str:
    """One line per scenario."""
    rows = [("scenario", "kills", "signals", "where they hit", "reruns", "resumed", "problems")]
    for name, tally in tallies.items():
        hits = ", ".join(f"{phase} {count}" for phase, count in tally.hits.items())
        signals = ", ".join(f"{number} {count}" for number, count in sorted(tally.signals.items()))
        counts = (str(tally.reruns), str(tally.resumed), str(len(tally.problems)))
        rows.append((name, str(tally.kills), signals, hits, *counts))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def run_all(names: Sequence[str], kills: int, seed: int, material: Material, *, keep: bool = False) -> dict[str, Tally]:
    """Spread ``kills`` evenly over the scenarios."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a shell; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    tallies = {}
    for index, name in enumerate(names):
        scenario = next(item for item in SCENARIOS if item.name == name)
        share = kills // len(names) + (index < kills % len(names))
        tallies[name] = Harness(scenario, material, seed).run(share, keep=keep)
        print(f"{name}: {tallies[name].kills} kills, {len(tallies[name].problems)} problems", flush=True)
    return tallies


def main() -> int:
    """Run the command line; return 1 after a problem."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m tests.kill_runs", description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=names)
    parser.add_argument("--keep", type=Path, help="folder in which the cases with problems stay")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-runs-") as temporary:
        folder = given.keep or Path(temporary)
        material = Material(folder)
        tallies = run_all(given.only or names, given.kills, given.seed, material, keep=given.keep is not None)
    print(table(tallies))
    return int(any(tally.problems for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
