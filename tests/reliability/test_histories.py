"""Random histories of one dataset, with processes killed in the middle of their work.

A machine draws operations, kills some of them with SIGKILL at a random call, and checks after each step that history
is linear, that no version changed, that every named blob is there, and that the log holds each acknowledged verdict.
"""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from faults import failing
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from operations import OPERATIONS, Ended, ended, prepare, problems
from small_lineages import Lineage
from tqdm import tqdm

from manifests.decisions.decision import Verdict
from manifests.versions.restore import restore

# Hypothesis collects garbage, that of earlier tests of the process too, whose warnings say nothing of these.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

KILLS = 3  # of one history at most
CALLS = 40  # more than most operations make: a kill beyond the last one lets it end


class History(RuleBasedStateMachine):
    """One dataset's history."""

    prepared: Path

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp()) / "dataset"
        shutil.copytree(self.prepared, self.root)
        self.here = Lineage(self.root / "here")
        self.digests: dict[int, str] = {}
        self.kills = 0
        self.minutes = 100
        with closing(self.here.log()) as log:
            self.acknowledged = {decision.decision_id for decision in log.standing()}

    def teardown(self) -> None:
        shutil.rmtree(self.root.parent, ignore_errors=True)

    @rule(operation=st.sampled_from(sorted(OPERATIONS)))
    def run(self, operation: str) -> None:
        self._end(lambda: OPERATIONS[operation](self.root))

    @rule(operation=st.sampled_from(sorted(OPERATIONS)), at=st.integers(1, CALLS))
    def kill(self, operation: str, at: int) -> None:
        if self.kills < KILLS:
            self.kills += killed(lambda: OPERATIONS[operation](self.root), self.root / "here", at)

    @rule(seed=st.sampled_from([0, 2, 3]), verdict=st.sampled_from(["accept", "reject"]))
    def judge(self, seed: int, verdict: Verdict) -> None:
        self.minutes += 1
        self.acknowledged |= set(self.here.judge({seed: verdict}, minutes=self.minutes))

    @rule(back=st.integers(1, 3), take_back=st.booleans())
    def restore(self, back: int, take_back: bool) -> None:
        version = max(1, (self.here.store.latest() or 1) - back)
        with closing(self.here.log()) as log:
            self._end(lambda: restore(self.here.store, self.here.store.open(version), log, take_back=take_back))

    @rule()
    def age(self) -> None:
        """Let an hour pass: what nothing names is garbage then."""
        for blob in self.here.blobs.root.glob("blobs/??/*"):
            os.utime(blob, (1, 1))

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert problems(self.root, disturbed=True) == []

    @invariant()
    def no_version_changes(self) -> None:
        found = {each.version: each.digest for each in self.here.store.history()}
        assert {number: found.get(number) for number in self.digests} == self.digests
        self.digests = found

    @invariant()
    def each_acknowledged_verdict_is_in_the_log(self) -> None:
        with closing(self.here.log()) as log, log.reading() as connection:
            stored = {getattr(event, "decision_id", None) for _, event in log.events_after(0, connection)}
        assert self.acknowledged <= stored

    def _end(self, command: Callable[[], object]) -> None:
        done: Ended = ended(command)
        assert done.is_clear, done


def killed(command: Callable[[], object], root: Path, at: int) -> bool:
    """Run `command` in a process that is killed at its call number `at`; whether it came so far."""
    child = os.fork()
    if child == 0:
        tqdm.set_lock(threading.RLock())  # its own is shared with the parent, and the dead don't release it
        with suppress(BaseException), failing(root, at=at, fault="kill"):
            ended(command)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> type[History]:
    root = tmp_path_factory.mktemp("prepared") / "dataset"
    root.mkdir()
    prepare(root)

    class Prepared(History):
        prepared = root

    return Prepared


def run_histories(machine: type[History], *, histories: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_few_histories_with_kills_are_sound(machine: type[History]) -> None:
    run_histories(machine, histories=2, steps=8)


@pytest.mark.slow
def test_many_histories_with_kills_are_sound(machine: type[History]) -> None:
    run_histories(machine, histories=24, steps=20)
