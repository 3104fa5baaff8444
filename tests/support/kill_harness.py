"""The cases of one scenario of kill_runs: kill, check, complete, compare with an undisturbed run."""

from __future__ import annotations

import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.support import kill_checks
from tests.support.kill_process import LIMIT_SECONDS, POLL_SECONDS, Command, Material
from tests.support.kill_scenarios import STREAM_SECONDS, Place, Results, Scenario, summary_of
from tests.support.live_sender import Sender

ENDING_SECONDS = 60.0
REPEATED_KILLS = 0.3
"""Fraction of kills after which the next run is killed too."""
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
IN_MAIN = re.compile(r'core/run\.py", line \d+, in main$', re.MULTILINE)
RESUME = re.compile(r"to (?:resume|run again): (.*?)   \(finished stages are kept\)$", re.MULTILINE)


@dataclass
class Counts:
    """The counts of one scenario."""

    kills: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    too_late: int = 0
    reruns: int = 0
    resumed: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: its results, and the seconds from its start to each phase and to its end."""

    results: Results
    moments: dict[str, float]
    seconds: float

    def length(self, phase: str) -> float:
        """Return the seconds until the next phase."""
        later = [moment for moment in [*self.moments.values(), self.seconds] if moment > self.moments[phase]]
        return min(later, default=self.seconds) - self.moments[phase]


class Harness:
    """All cases of one scenario.

    Args:
        scenario: The command to kill.
        material: Its inputs and prepared store.
        seed: Seed of all random choices.
    """

    def __init__(self, scenario: Scenario, material: Material, seed: int) -> None:
        self.scenario, self.counts = scenario, Counts()
        self._inputs, self._folder, self._seed = material.inputs, material.folder / scenario.name, seed
        self._folder.mkdir()
        self._port = 0
        self._prepared = material.prepared(scenario)
        with self._camera():
            self.reference = self._refer()

    def run(self, kills: int, *, keep: bool = False) -> Counts:
        """Run cases until ``kills`` signals have hit a running process."""
        number = 0
        while self.counts.kills < kills:
            number += 1
            place = self._place(f"case{number}")
            chance = random.Random(f"{self._seed}/{self.scenario.name}/{number}")
            problems = list(dict.fromkeys(self._case(place, chance, kills - self.counts.kills)))
            self.counts.problems += [f"{self.scenario.name} case {number}: {problem}" for problem in problems]
            for problem in problems:
                print(f"PROBLEM {self.scenario.name} case {number}: {problem}", flush=True)
            if not (keep and problems):
                shutil.rmtree(place.root)
        return self.counts

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
        assert not missing, f"phases that the undisturbed run did not reach: {missing}"
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
                    self.counts.kills += 1
                    self.counts.hits[phase] += 1
                    self.counts.signals[sent.name] += 1
                else:
                    self.counts.too_late += 1
                found = [*kill_checks.lost(before), *kill_checks.problems_after_a_kill(place)]
                found += self._problems_of_end(command, sent, code) if hit else []
                yield from (f"{problem} {where}" for problem in found)
                before = kill_checks.finished_in(place)
                resumable = self.scenario.resumable
                more = ("resume=true",) if resumable and _begun(place, resumable) else ()
                match = RESUME.search(command.log)
                printed = match.group(1) if match and hit else ""
                if chance.random() > REPEATED_KILLS:
                    break
            yield from self._completed(place, more, before, printed, where)

    def _hit(self, command: Command, place: Place, chance: random.Random, *, again: bool) -> str:
        """Wait until a random moment and return its phase."""
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
        reported = 128 - code if code < 0 else code  # as a shell reports it
        if reported not in allowed:
            yield f"exit code {code} instead of {CODES[sent]}: {_tail(log)}"
        if reported == CODES[sent] and "plan:" in log and "finished in" not in log and not RESUME.search(log):
            yield f"no command to resume: {_tail(log)}"

    def _completed(
        self, place: Place, more: tuple[str, ...], before: kill_checks.Finished, printed: str, where: str
    ) -> Iterator[str]:
        runs: list[Command] = []
        if printed:
            runs.append(Command(printed, place, place.root / "printed.log"))
            runs[-1].wait(LIMIT_SECONDS)
        if not printed or self.scenario.sweep:  # each job of a sweep is resumed on its own
            runs.append(self._start(place, (*self.scenario.words, *more), "completed.log"))
            runs[-1].wait(LIMIT_SECONDS)
        self.counts.reruns += 1
        self.counts.resumed += bool(more)
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
                yield f"'{stage['name']}' was stored, but its status is {stage['status']}"
        resumed = summary["metrics"].get("predict", {}).get("resumed", 0)
        incomplete = self.scenario.resumable and "predict" in summary["metrics"]
        if incomplete and any("resume" in item for item in summary["overrides"]) and resumed != len(before.frames):
            yield f"{len(before.frames)} frames were finished, but {resumed:g} were resumed"


def _begun(place: Place, pattern: str) -> bool:
    return not pattern or next(place.root.glob(pattern), None) is not None


def _in_startup(log: str) -> bool:
    """Return whether Python was still starting, when its reaction to a signal is undefined."""
    return "plan:" not in log and not IN_MAIN.search(log)


def _tail(log: str) -> str:
    return " | ".join(log.splitlines()[-6:])[-900:]
