"""Restores and merges killed between their version and their part of the decision log."""

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from small_lineages import Lineage
from sqlalchemy.engine.default import DefaultDialect

from manifests.decisions.log import DecisionLog
from manifests.decisions.log_parts import finish_interrupted
from manifests.decisions.publish import NothingToPublish, publish
from manifests.errors import UserError
from manifests.versions.merge import merge
from manifests.versions.restore import restore

Operation = Callable[[Lineage, Lineage, DecisionLog], object]


def take_back(here: Lineage, _there: Lineage, log: DecisionLog) -> object:
    return restore(here.store, here.store.open(2), log, take_back=True)


def take_theirs(here: Lineage, there: Lineage, log: DecisionLog) -> object:
    return merge(here.store, there.store.open(), ancestor=there.store.open(2), prefer="theirs", log=log)


@pytest.fixture
def lineages(tmp_path: Path) -> tuple[Lineage, Lineage]:
    """Sample 0 is accepted in v2 and rejected later here; sample 1 is rejected in v2 and accepted later there."""
    here, there = Lineage(tmp_path / "here"), Lineage(tmp_path / "there")
    here.generate(*range(4))
    here.judge({0: "accept", 1: "reject"})
    here.publish()
    shutil.copytree(here.root, there.root)
    here.judge({0: "reject"}, minutes=5)
    here.publish()
    there.judge({1: "accept"}, minutes=20)
    there.publish()
    return here, there


def killed_before_the_logs_commit(operation: Operation, here: Lineage, there: Lineage) -> None:
    child = os.fork()
    if child == 0:
        versions, commit = here.store.latest(), DefaultDialect.do_commit

        def die(dialect: DefaultDialect, connection: object) -> None:
            if here.store.latest() != versions:  # the version is there
                os.kill(os.getpid(), signal.SIGKILL)
            commit(dialect, connection)

        DefaultDialect.do_commit = die  # type: ignore[method-assign]
        operation(here, there, here.log())
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("operation", "wanted"), [(take_back, ["accepted", "rejected"]), (take_theirs, ["rejected", "accepted"])]
)
def test_the_next_publish_writes_what_the_log_lacks(
    lineages: tuple[Lineage, Lineage], operation: Operation, wanted: list[str]
) -> None:
    here, there = lineages
    killed_before_the_logs_commit(operation, here, there)
    assert here.status([0, 1]) == wanted
    with pytest.raises(UserError):  # nothing to restore, nothing new to merge
        operation(here, there, here.log())
    here.judge({2: "accept"}, minutes=30)
    publish(here.store, here.log())
    assert here.status([0, 1, 2]) == [*wanted, "accepted"]


@pytest.mark.parametrize("operation", [take_back, take_theirs])
def test_an_operation_that_ended_leaves_nothing_to_write(
    lineages: tuple[Lineage, Lineage], operation: Operation
) -> None:
    here, there = lineages
    log = here.log()
    operation(here, there, log)
    before = here.status(range(4))
    assert finish_interrupted(here.store, log) == 0
    with suppress(NothingToPublish):
        publish(here.store, log)
    assert here.status(range(4)) == before


def test_a_verdict_given_since_stands(lineages: tuple[Lineage, Lineage]) -> None:
    here, there = lineages
    killed_before_the_logs_commit(take_theirs, here, there)
    here.judge({1: "reject"}, minutes=30)
    publish(here.store, here.log())
    assert here.status([1]) == ["rejected"]
