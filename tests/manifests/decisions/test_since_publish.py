"""A publish that leaves out what the last one holds: always the result of folding the whole log."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_lineages import Lineage, mask, sample_id

from manifests.decisions import since_publish
from manifests.decisions.log import DecisionLog
from manifests.decisions.policy import Policy
from manifests.decisions.publish import COMPARED_COLUMNS, NothingToPublish, fold, publish
from manifests.decisions.since_publish import due_samples, last_published
from manifests.store.manifest import Manifest
from manifests.store.row_patch import changed
from manifests.versions.restore import restore

SETTINGS = {"votes": 1, "conflicts": "keep"}


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """Samples 0 and 1 are judged and published, 2 and 3 wait."""
    made = Lineage(tmp_path / "here")
    made.generate(0, 1, 2, 3)
    made.judge({0: "accept", 1: "reject"})
    made.publish()
    return made


@pytest.fixture
def log(lineage: Lineage) -> Iterator[DecisionLog]:
    with closing(lineage.log()) as log:
        yield log


def due(lineage: Lineage, log: DecisionLog) -> set[str] | None:
    base = lineage.store.open()
    published = last_published(lineage.store, base)
    assert published is not None
    return due_samples(published, base, log, SETTINGS, COMPARED_COLUMNS)


# Which samples are due


def test_only_samples_with_later_events_are_due(lineage: Lineage, log: DecisionLog) -> None:
    assert due(lineage, log) == set()
    lineage.judge({2: "skip"}, minutes=1)
    lineage.undo("here-ann-0-0")
    assert due(lineage, log) == {sample_id(0), sample_id(2)}


def test_rows_that_other_operations_changed_or_added_are_due(lineage: Lineage, log: DecisionLog) -> None:
    lineage.relabel(1, level=200)
    lineage.generate(5)
    assert due(lineage, log) == {sample_id(1), sample_id(5)}


def test_more_new_rows_than_events_make_all_samples_due(lineage: Lineage, log: DecisionLog) -> None:
    lineage.generate(5, 6, 7)
    assert due(lineage, log) is None


def test_another_policy_or_release_makes_all_samples_due(
    lineage: Lineage, log: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = lineage.store.open()
    assert due_samples(base, base, log, SETTINGS | {"votes": 2}, COMPARED_COLUMNS) is None
    monkeypatch.setattr(since_publish, "__version__", "99.0")
    assert due(lineage, log) is None


def test_rows_that_were_dropped_make_all_samples_due(lineage: Lineage, log: DecisionLog) -> None:
    base = lineage.store.open()
    rest = base.read().slice(1)
    lineage.store.commit(rest, parent=2, operation="forget", parameters={}, data_root=base.data_root)
    assert due(lineage, log) is None


def test_a_log_from_a_backup_makes_all_samples_due(lineage: Lineage, tmp_path: Path) -> None:
    log_file, backup = lineage.root / "data/decisions.sqlite3", tmp_path / "backup"
    shutil.copy(log_file, backup)
    lineage.judge({2: "accept"}, minutes=1)
    lineage.publish()
    for path in log_file.parent.glob("decisions.sqlite3*"):
        path.unlink()
    shutil.copy(backup, log_file)
    with closing(lineage.log()) as log:
        assert due(lineage, log) is None  # the last event is missing
    lineage.judge({3: "reject"}, minutes=2)  # takes its number
    with closing(lineage.log()) as log:
        assert due(lineage, log) is None
    lineage.publish()
    assert lineage.status(range(4)) == ["accepted", "rejected", "accepted", "rejected"]


def test_a_publish_of_a_few_decisions_reads_their_samples_alone(
    lineage: Lineage, log: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    outcomes = log.outcomes
    monkeypatch.setattr(log, "outcomes", lambda samples=None: (read.append(samples), outcomes(samples))[1])
    lineage.judge({2: "accept"}, minutes=1)
    made = publish(lineage.store, log)
    assert read == [{sample_id(2)}]
    assert made.parameters["masks_with_verdict"] == 3
    assert lineage.status(range(4)) == ["accepted", "rejected", "accepted", "pending"]


# The same as the whole log


def expected_rows(base: Manifest, log: DecisionLog, policy: Policy) -> pa.Table | None:
    """The rows of a publish that reads the whole log; None when it changes nothing."""
    patch = fold(base, log.outcomes(), policy)
    return pa.concat_tables(changed(base.parts(), patch)) if patch else None


class History:
    """Random operations on a lineage of ten samples; each publish is compared with one that reads the whole log."""

    def __init__(self, root: Path, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.lineage = Lineage(root)
        self.lineage.generate(*range(8))
        self.seeds, self.minutes, self.made, self.partly = 8, 0, list[str](), 0

    def run(self, operations: int) -> None:
        names = ["judge"] * 5 + ["undo", "rival", "generate"] + ["relabel", "restore"] * 2
        for place, name in enumerate(self.rng.choice(names, operations)):
            getattr(self, name)()
            if place % 3 == 0:
                self.publish()

    def judge(self) -> None:
        self.minutes += 1
        seed = self._seed()
        verdict, reviewer = self.rng.choice(["accept", "accept", "reject", "skip"]), self.rng.choice(["ann", "bo"])
        pair = self.lineage.row(seed)["rival_mask_sha256"] is not None
        self.made += self.lineage.judge(
            {seed: str(verdict)},  # type: ignore[dict-item]
            reviewer=str(reviewer),
            minutes=self.minutes,
            purpose=self.rng.choice(["work", "work", "work", "gold", "second_look"]),
            repaired=mask(int(self.rng.choice([90, 91]))) if verdict == "accept" and self.rng.random() < 0.2 else None,
            takes_rival=bool(self.rng.integers(2)) if pair else None,
        )

    def undo(self) -> None:
        if self.made:
            decision_id = str(self.rng.choice(self.made))
            self.lineage.undo(decision_id, reviewer=decision_id.split("-")[1])

    def relabel(self) -> None:
        """Two masks by turns, so that old verdicts come back."""
        self.lineage.relabel(self._seed(), level=int(self.rng.choice([200, 240])))

    def rival(self) -> None:
        seed = self._seed()
        if self.lineage.row(seed)["status"] == "pending":
            self.lineage.add_rival(seed, level=150)

    def generate(self) -> None:
        self.lineage.generate(self.seeds)
        self.seeds += 1

    def restore(self) -> None:
        store = self.lineage.store
        version = int(self.rng.choice(store.versions()))
        old, latest = store.open(version).read(), store.open().read()
        if old.num_rows == latest.num_rows and not old.equals(latest):
            with closing(self.lineage.log()) as log:
                restore(store, store.open(version), log, take_back=bool(self.rng.integers(2)))

    def publish(self) -> None:
        policy = Policy() if self.rng.random() < 0.9 else Policy(votes=2)
        store = self.lineage.store
        with closing(self.lineage.log()) as log:
            base = store.open()
            published = last_published(store, base)
            settings = {"votes": policy.votes, "conflicts": policy.conflicts}
            if published and due_samples(published, base, log, settings, COMPARED_COLUMNS) is not None:
                self.partly += 1
            expected, masks = expected_rows(base, log, policy), len(log.outcomes())
            try:
                made = publish(store, log, policy)
            except NothingToPublish:
                assert expected is None
            else:
                assert expected is not None
                assert made.read().equals(expected)
                assert fold(made, log.outcomes(), policy) is None
                assert made.parameters["masks_with_verdict"] == masks

    def _seed(self) -> int:
        return int(self.rng.integers(self.seeds))


@pytest.mark.parametrize("seed", [0, 5, 11])  # in 5 and 11 a repair ends at a mask that has a verdict
def test_every_publish_of_a_random_history_is_that_of_the_whole_log(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path / "here", seed)
    history.run(60)
    assert history.partly >= 3
