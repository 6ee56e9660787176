"""The decision log keeps every verdict; `publish` folds it into the next version.

Run as a script, `python test_decisions.py URL REVIEWER`, this file is another reviewer's process.
"""

import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from repository import SCRIPT_ENVIRONMENT

from manifests.decisions import database
from manifests.decisions.decision import Decision, Undo
from manifests.decisions.log import DecisionClash, DecisionLog, sqlite_url, undo_id
from manifests.decisions.policy import CONFLICTS, Policy
from manifests.decisions.publish import NothingToPublish, publish
from manifests.errors import UserError
from manifests.store.manifest import COMMIT_ATTEMPTS, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.store.validation import validate

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MASK, NEW_MASK = "a" * 64, "b" * 64
DECISIONS_PER_WRITER = 60


def sample(number: int) -> str:
    return f"{number:032x}"


def decision(decision_id: str, verdict: Any = "accept", **changes: Any) -> Decision:
    fields = {"sample_id": sample(1), "mask_sha256": MASK, "reviewer": "ana", "decided_at": NOON}
    return Decision(**({"decision_id": decision_id, "verdict": verdict} | fields | changes))


def row(number: int, **changes: Any) -> dict[str, Any]:
    digest = f"{number:064x}"
    source = {"source": "studio", "source_uri": f"/photos/{number}.jpg", "source_sha256": digest}
    blobs = {"image": f"blobs/{digest}.jpg", "image_sha256": digest, "mask": f"blobs/{MASK}.png", "mask_sha256": MASK}
    size = {"width": 40, "height": 50, "roi_x": 0, "roi_y": 0, "roi_w": 40, "roi_h": 50}
    groups = {"sample_id": sample(number), "phash": digest[48:], "group_id": sample(number), "split": "train"}
    labels = {"origin": "teacher", "teacher": "toy@0123456789ab", "status": "pending", "reviewers": []}
    return source | blobs | size | groups | labels | {"votes_accept": 0, "votes_reject": 0, "added_in": 1} | changes


def commit(store: ManifestStore, *rows: dict[str, Any]) -> None:
    store.commit(
        pa.Table.from_pylist(list(rows), schema=SCHEMA),
        parent=store.latest(),
        operation="generate",
        parameters={},
        data_root=store.root.parent / "data",
    )


@pytest.fixture
def store(tmp_path: Path) -> ManifestStore:
    """v1: samples 1 to 3 pending, 4 imported."""
    store = ManifestStore(tmp_path / "manifests")
    commit(store, row(1), row(2), row(3), row(4, origin="ground_truth", teacher=None, status="accepted"))
    return store


def ids(log: DecisionLog) -> list[str]:
    return [standing.decision_id for standing in log.standing()]


def published(store: ManifestStore, log: DecisionLog, number: int = 1) -> dict[str, Any]:
    """The row of one sample after publishing."""
    table = publish(store, log).read()
    validate(table)
    return table.to_pylist()[number - 1]


# Appending


def test_a_decision_comes_back_as_it_was(log: DecisionLog) -> None:
    given = decision("1", "reject", reason="hair is missing, ä", decision_ms=1250)
    assert log.append([given]) == ["1"]
    assert log.standing() == [given]


def test_the_moment_of_a_decision_keeps_its_meaning_in_any_zone(log: DecisionLog) -> None:
    in_berlin = NOON.astimezone(timezone(timedelta(hours=2)))
    log.append([decision("1", decided_at=in_berlin), decision("2", decided_at=NOON.replace(tzinfo=None))])
    assert [standing.decided_at for standing in log.standing()] == [NOON, NOON]


def test_repeating_a_decision_is_harmless(log: DecisionLog) -> None:
    log.append([decision("1"), decision("2")])
    later = decision("1", decided_at=NOON + timedelta(days=1), decision_ms=5, mode="grid")
    assert log.append([decision("2"), later, decision("3")]) == ["2", "1", "3"]
    assert [(standing.decision_id, standing.verdict) for standing in log.standing()] == [
        ("1", "accept"),
        ("2", "accept"),
        ("3", "accept"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "reject"},
        {"verdict": "skip"},
        {"reason": "hair"},
        {"sample_id": "9" * 32},
        {"mask_sha256": "9" * 64},
        {"reviewer": "zoe"},
    ],
)
@pytest.mark.parametrize("undone", [False, True])
def test_another_decision_under_a_known_id_is_refused(log: DecisionLog, changes: dict[str, Any], undone: bool) -> None:
    log.append([decision("1"), decision("2")])
    if undone:
        log.undo("1", reviewer=decision("1").reviewer)
    stands = log.standing()
    with pytest.raises(DecisionClash, match="expected a unique decision_id for each decision, found 1 for another"):
        log.append([decision("3"), replace(decision("1"), **changes), decision("4")])
    assert log.standing() == stands  # none of the batch


def test_one_id_twice_in_one_batch_is_refused(log: DecisionLog) -> None:
    with pytest.raises(DecisionClash):
        log.append([decision("1"), decision("1", "reject")])
    assert log.standing() == []


def test_the_id_of_an_undo_is_no_decisions(log: DecisionLog) -> None:
    log.append([decision("1")])
    log.undo("1", reviewer=decision("1").reviewer)
    with pytest.raises(DecisionClash):
        log.append([decision(undo_id("1"))])


def test_appending_nothing_is_harmless(log: DecisionLog) -> None:
    assert log.append([]) == []


def test_decisions_survive_reopening(log: DecisionLog, tmp_path: Path) -> None:
    log.append([decision("1")])
    log.close()
    again = DecisionLog(sqlite_url(tmp_path / "data"))
    assert ids(again) == ["1"]
    again.close()


@pytest.mark.parametrize(
    "broken", [{"verdict": "undo"}, {"verdict": "yes"}, {"decision_ms": -1}, {"decision_ms": 2**31}]
)
def test_what_no_manifest_can_hold_is_no_decision(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        decision("1", **broken)


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True), ((3, 45, 0), False), ((3, 50, 6), False),
        ((3, 50, 7), True), ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), True), ((4, 0, 0), True),
    ],
)  # fmt: skip
def test_versions_of_sqlite_whose_wal_may_be_trusted(version: tuple[int, int, int], is_safe: bool) -> None:
    assert database.wal_is_safe(version) is is_safe


# Journal and synchronous of sqlite.org/pragma.html: 2 is FULL, 3 is EXTRA.
@pytest.mark.parametrize(("is_safe", "journal", "synchronous"), [(True, "wal", 2), (False, "truncate", 3)])
def test_sqlite_keeps_what_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_safe: bool, journal: str, synchronous: int
) -> None:
    monkeypatch.setattr(database, "wal_is_safe", lambda: is_safe)
    log = DecisionLog(sqlite_url(tmp_path / "data"))
    for _ in range(2):  # on every connection of the pool
        with log.engine.connect() as connection, log.engine.connect() as another:
            for opened in (connection, another):
                assert opened.execute(sa.text("PRAGMA journal_mode")).scalar() == journal
                assert opened.execute(sa.text("PRAGMA synchronous")).scalar() == synchronous
    log.close()


def test_a_log_that_wrote_ahead_goes_on_with_a_rollback_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python was linked with another SQLite since."""
    monkeypatch.setattr(database, "wal_is_safe", lambda: True)
    before = DecisionLog(sqlite_url(tmp_path / "data"))
    before.append([decision("1")])
    before.close()
    monkeypatch.setattr(database, "wal_is_safe", lambda: False)
    log = DecisionLog(sqlite_url(tmp_path / "data"))
    log.append([decision("2")])
    assert [kept.decision_id for kept in log.standing()] == ["1", "2"]
    assert database.describe(log.engine) == f"SQLite {sqlite3.sqlite_version}, rollback journal"
    assert database.integrity_problems(log.engine) == []
    log.close()


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    log = DecisionLog(sqlite_url(tmp_path / "data"))
    log.append([decision(str(number)) for number in range(2000)])
    log.close()
    file = tmp_path / "data" / "decisions.sqlite3"
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    file.write_bytes(data)
    damaged = DecisionLog(sqlite_url(tmp_path / "data"))
    assert database.integrity_problems(damaged.engine)
    damaged.close()


def test_several_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    for attempt in range(15):
        together = threading.Barrier(4)

        def open_log(
            number: int, url: str = sqlite_url(tmp_path / str(attempt)), at: threading.Barrier = together
        ) -> None:
            at.wait()
            opened = DecisionLog(url)
            opened.append([decision(str(number))])
            opened.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(open_log, range(4)))


def test_append_from_threads_loses_nothing(log: DecisionLog) -> None:
    def review(reviewer: int) -> None:
        for number in range(40):
            log.append([decision(f"{reviewer}-{number}", reviewer=f"r{reviewer}")])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(review, range(6)))
    assert sorted(ids(log)) == sorted(f"{reviewer}-{number}" for reviewer in range(6) for number in range(40))


def test_append_from_processes_loses_nothing(log: DecisionLog, tmp_path: Path) -> None:
    children = [_reviewer_process(tmp_path, name) for name in ("left", "right")]
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    expected = {f"{name}-{number}" for name in ("left", "right") for number in range(DECISIONS_PER_WRITER)}
    assert set(ids(log)) == expected
    for name in ("left", "right"):  # each reviewer's in the order they were made
        own = [decision_id for decision_id in ids(log) if decision_id.startswith(name)]
        assert own == [f"{name}-{number}" for number in range(DECISIONS_PER_WRITER)]


def test_what_was_answered_survives_a_killed_process(log: DecisionLog, tmp_path: Path) -> None:
    child = _reviewer_process(tmp_path, "left")
    assert child.stdout is not None
    answered = [child.stdout.readline().strip() for _ in range(7)]
    child.send_signal(signal.SIGKILL)
    answered += child.communicate(timeout=30)[0].split()
    assert set(answered) <= set(ids(log))
    assert log.append([decision("after")]) == ["after"]


# Undo


def test_an_undone_decision_stands_no_more(log: DecisionLog) -> None:
    log.append([decision("1"), decision("2", sample_id=sample(2))])
    assert log.undo("1", reviewer="ana") == decision("1")
    assert ids(log) == ["2"]


def test_undoing_twice_is_harmless(log: DecisionLog) -> None:
    log.append([decision("1")])
    assert log.undo("1", reviewer="ana", now=NOON) == log.undo("1", reviewer="ana", now=NOON) == decision("1")
    assert ids(log) == []
    with log.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM decision_events")).scalar() == 2


def test_nothing_is_edited_by_an_undo(log: DecisionLog) -> None:
    log.append([decision("1", "reject", reason="blurred")])
    log.undo("1", reviewer="ana")
    with log.engine.connect() as connection:
        events = connection.execute(sa.text("SELECT verdict, reason, supersedes FROM decision_events ORDER BY seq"))
        assert [tuple(event) for event in events] == [("reject", "blurred", None), ("undo", None, "1")]


def test_the_decision_of_somebody_else_is_not_undone(log: DecisionLog) -> None:
    log.append([decision("1")])
    assert log.undo("1", reviewer="ben") is None
    assert log.undo("no such", reviewer="ana") is None
    assert ids(log) == ["1"]


def test_an_undo_can_not_be_undone(log: DecisionLog) -> None:
    log.append([decision("1")])
    log.undo("1", reviewer="ana")
    with log.engine.connect() as connection:
        undo_id = connection.execute(sa.text("SELECT decision_id FROM decision_events WHERE verdict = 'undo'")).scalar()
    assert log.undo(str(undo_id), reviewer="ana") is None
    assert ids(log) == []


def test_after_an_undo_the_reviewers_earlier_verdict_stands_again(log: DecisionLog) -> None:
    log.append([decision("1", "accept"), decision("2", "reject")])
    log.undo("2", reviewer="ana")
    assert log.outcomes()[sample(1), MASK].status() == "accepted"


def test_a_log_of_an_earlier_release_is_taken_up_with_all_it_holds(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    old = DecisionLog(url)
    old.append([decision("1", "reject", reason="hair")])
    with old.engine.begin() as connection:
        for column in ("mode", "purpose"):
            connection.execute(sa.text(f"ALTER TABLE decision_events DROP COLUMN {column}"))
    old.close()
    again = DecisionLog(url)
    assert again.standing() == [decision("1", "reject", reason="hair")]
    assert again.append([decision("2", mode="grid", purpose="gold")]) == ["2"]
    again.close()


def test_who_read_up_to_a_number_reads_on_from_there(log: DecisionLog) -> None:
    log.append([decision("1"), decision("2", "reject")])
    with log.reading() as connection:
        (_, first), (seq, _) = log.events_after(0, connection)
    assert first == decision("1")
    log.undo("2", reviewer="ana")
    log.append([decision("3")])
    with log.reading() as connection:
        later = [event for _, event in log.events_after(seq, connection)]
    assert later == [Undo("2", sample(1), MASK), decision("3")]


# Outcomes


@pytest.mark.parametrize("purpose", ["gold", "repeat"])
def test_what_only_measures_the_reviewer_is_no_vote(log: DecisionLog, purpose: Any) -> None:
    log.append([decision("1", "accept"), decision("2", "reject", purpose=purpose)])
    assert log.outcomes()[sample(1), MASK].status() == "accepted"


POLICIES = [
    ([("ana", "accept")], Policy(votes=2), "pending"),
    ([("ana", "accept"), ("ben", "accept")], Policy(votes=2), "accepted"),
    ([("ana", "accept"), ("ben", "reject")], Policy(votes=2, conflicts="reject"), "rejected"),
    ([("ana", "accept"), ("ben", "reject")], Policy(conflicts="majority"), "conflict"),
    ([("ana", "accept"), ("ben", "reject"), ("cem", "accept")], Policy(conflicts="majority"), "accepted"),
    ([("ana", "accept"), ("ben", "reject"), ("cem", "reject")], Policy(votes=3, conflicts="majority"), "rejected"),
    ([("ana", "reject"), ("ben", "reject")], Policy(votes=3, conflicts="reject"), "pending"),
]


@pytest.mark.parametrize(("votes", "policy", "status"), POLICIES)
def test_a_policy_settles_a_mask(log: DecisionLog, votes: list[tuple[str, str]], policy: Policy, status: str) -> None:
    log.append([decision(str(number), verdict, reviewer=who) for number, (who, verdict) in enumerate(votes)])
    assert log.outcomes()[sample(1), MASK].status(policy) == status


def test_a_leads_second_look_decides_alone(log: DecisionLog) -> None:
    log.append([decision("1", reviewer="ana"), decision("2", "reject", reviewer="ben")])
    log.append([decision("3", "reject", reviewer="lea", purpose="second_look")])
    outcome = log.outcomes()[sample(1), MASK]
    assert {outcome.status(Policy(conflicts=conflicts)) for conflicts in CONFLICTS} == {"rejected"}


@pytest.mark.parametrize("wrong", [{"votes": 0}, {"conflicts": "flip a coin"}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="expected"):
        Policy(**wrong)


@pytest.mark.parametrize(
    ("votes", "status", "accepts", "rejects"),
    [
        ([("ana", "accept")], "accepted", 1, 0),
        ([("ana", "reject")], "rejected", 0, 1),
        ([("ana", "accept"), ("ben", "accept")], "accepted", 2, 0),
        ([("ana", "accept"), ("ben", "reject")], "conflict", 1, 1),
        ([("ana", "accept"), ("ana", "reject")], "rejected", 0, 1),
        ([("ana", "accept"), ("ben", "reject"), ("ben", "accept")], "accepted", 2, 0),
        ([("ana", "accept"), ("ana", "skip")], "accepted", 1, 0),
        ([("ana", "skip"), ("ben", "reject")], "rejected", 0, 1),
    ],
)
def test_the_last_verdict_of_each_reviewer_counts(
    log: DecisionLog, votes: list[tuple[str, str]], status: str, accepts: int, rejects: int
) -> None:
    log.append([decision(str(number), verdict, reviewer=who) for number, (who, verdict) in enumerate(votes)])
    outcome = log.outcomes()[sample(1), MASK]
    assert (outcome.status(), outcome.votes_accept, outcome.votes_reject) == (status, accepts, rejects)


def test_a_skip_is_no_verdict(log: DecisionLog) -> None:
    log.append([decision("1", "skip")])
    assert log.outcomes() == {}
    assert ids(log) == ["1"]


def test_the_last_reason_of_a_standing_reject_is_the_reason(log: DecisionLog) -> None:
    log.append(
        [
            decision("1", "reject", reviewer="ana", reason="hair"),
            decision("2", "reject", reviewer="ben", reason="hands"),
            decision("3", "reject", reviewer="cem"),
        ]
    )
    assert log.outcomes()[sample(1), MASK].reason == "hands"
    log.undo("2", reviewer="ben")
    assert log.outcomes()[sample(1), MASK].reason == "hair"


def test_a_decision_that_comes_between_two_queries_does_no_harm(
    log: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = log._masks_with_vote

    def overtaken(*chosen: Any) -> Any:
        found = query(*chosen)
        log.append([decision("late", sample_id=sample(2))])
        return found

    log.append([decision("1")])
    monkeypatch.setattr(log, "_masks_with_vote", overtaken)
    assert log.outcomes()[sample(1), MASK].status() == "accepted"


# Publishing


def test_publishing_folds_every_column(store: ManifestStore, log: DecisionLog) -> None:
    later = NOON + timedelta(seconds=2)
    log.append(
        [
            decision("1", "reject", reviewer="ben", reason="hair", decision_ms=900),
            decision("2", "reject", reviewer="ana", decision_ms=1100, decided_at=later),
        ]
    )
    manifest = publish(store, log)
    assert (manifest.version, manifest.parent, manifest.operation) == (2, 1, "review")
    assert manifest.counts == {"rows": 4, "rejected": 1, "pending": 2, "accepted": 1}
    table = manifest.read()
    validate(table)
    assert table.to_pylist()[0] == store.open(1).read().to_pylist()[0] | {
        "status": "rejected",
        "reason": "hair",
        "reviewers": ["ana", "ben"],
        "votes_accept": 0,
        "votes_reject": 2,
        "decided_at": later,
        "decision_ms": 1100,
    }
    assert table.slice(1).equals(store.open(1).read().slice(1))


def test_two_reviewers_who_disagree_make_a_conflict(store: ManifestStore, log: DecisionLog) -> None:
    log.append([decision("1", "accept", reviewer="ana"), decision("2", "reject", reviewer="ben")])
    assert published(store, log)["status"] == "conflict"


def test_a_verdict_does_not_carry_over_to_a_new_mask(store: ManifestStore, log: DecisionLog) -> None:
    log.append([decision("1")])
    assert published(store, log)["status"] == "accepted"
    commit(store, row(1, mask_sha256=NEW_MASK))
    with pytest.raises(NothingToPublish):
        publish(store, log)
    log.append([decision("2", "reject", mask_sha256=NEW_MASK)])
    assert (published(store, log)["status"], store.open().read()["votes_accept"].to_pylist()) == ("rejected", [0])


def test_an_undone_verdict_brings_a_published_row_back_to_pending(store: ManifestStore, log: DecisionLog) -> None:
    before = store.open(1).read()
    log.append([decision("1", "reject", reason="hair", decision_ms=800)])
    assert published(store, log)["status"] == "rejected"
    log.undo("1", reviewer="ana")
    assert publish(store, log).read().equals(before)


def test_a_ground_truth_row_is_not_touched(store: ManifestStore, log: DecisionLog) -> None:
    log.append([decision("1", "reject", sample_id=sample(4)), decision("2", sample_id=sample(2))])
    assert publish(store, log).read().slice(3).equals(store.open(1).read().slice(3))


def test_nothing_to_publish_is_an_error_and_no_version(store: ManifestStore, log: DecisionLog) -> None:
    with pytest.raises(NothingToPublish, match="expected decisions that v1 doesn't hold, found none; review some"):
        publish(store, log)
    log.append([decision("1", "skip"), decision("2", sample_id=sample(99)), decision("3", sample_id=sample(4))])
    with pytest.raises(NothingToPublish):
        publish(store, log)
    log.append([decision("4")])
    publish(store, log)
    with pytest.raises(NothingToPublish, match="v2"):
        publish(store, log)
    assert store.versions() == [1, 2]


def test_publishing_without_a_version_says_how_to_make_one(tmp_path: Path, log: DecisionLog) -> None:
    with pytest.raises(UserError, match="found none; make one with"):
        publish(ManifestStore(tmp_path / "none"), log)


def test_a_commit_while_publishing_is_kept(
    store: ManifestStore, log: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([decision("1")])
    real_commit, overtaken = store.commit, False

    def commit_second(*arguments: Any, **options: Any) -> Any:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            commit(ManifestStore(store.root), row(1), row(2), row(3), row(7))
        return real_commit(*arguments, **options)

    monkeypatch.setattr(store, "commit", commit_second)
    manifest = publish(store, log)
    assert (manifest.version, manifest.parent) == (3, 2)
    assert manifest.read()["sample_id"].to_pylist() == [sample(number) for number in (1, 2, 3, 7)]
    assert manifest.read()["status"].to_pylist() == ["accepted", "pending", "pending", "pending"]


def test_a_publisher_that_was_overtaken_does_not_bring_old_verdicts_back(
    store: ManifestStore, log: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([decision("1", "accept")])
    real_commit = store.commit

    def commit_second(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(store, "commit", real_commit)
        log.append([decision("2", "reject")])
        publish(ManifestStore(store.root), log)
        return real_commit(*arguments, **options)

    monkeypatch.setattr(store, "commit", commit_second)
    with suppress(NothingToPublish):
        publish(store, log)
    assert store.open().read()["status"].to_pylist()[0] == "rejected"


def test_several_publishers_at_once_lose_no_verdict(store: ManifestStore, log: DecisionLog) -> None:
    def review_and_publish(number: int) -> None:
        log.append([decision(str(number), sample_id=sample(number))])
        with suppress(NothingToPublish):  # another publisher took it along
            publish(ManifestStore(store.root), log)

    assert COMMIT_ATTEMPTS >= 3
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(review_and_publish, (1, 2, 3)))
    assert store.open().counts == {"rows": 4, "accepted": 4}


# Databases


def test_a_database_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite3").write_text("no database at all, only text, and long enough to be read as a header " * 4)
    for url in ("nonsense", "mysql://u:secret@h/d", f"sqlite:///{tmp_path / 'text.sqlite3'}", f"sqlite:///{tmp_path}"):
        with pytest.raises(UserError, match=r"expected a database at .*; check --database-url") as caught:
            DecisionLog(url)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)


def test_a_database_that_stays_locked_is_an_error_that_says_so(
    log: DecisionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manifests.decisions.database._LOCK_TIMEOUT_SECONDS", 0)
    impatient = DecisionLog(sqlite_url(tmp_path / "data"))
    blocker = sqlite3.connect(tmp_path / "data/decisions.sqlite3", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match=r"expected to write to the database.*locked; try again"):
        impatient.append([decision("1")])
    blocker.execute("ROLLBACK")
    blocker.close()
    assert impatient.append([decision("1")]) == ["1"]
    impatient.close()


# The other process


def _reviewer_process(tmp_path: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, sqlite_url(tmp_path / "data"), name]
    return subprocess.Popen(command, env=SCRIPT_ENVIRONMENT, stdout=subprocess.PIPE, text=True)


def _review(url: str, reviewer: str) -> None:
    log = DecisionLog(url)
    for number in range(DECISIONS_PER_WRITER):
        print(*log.append([decision(f"{reviewer}-{number}", reviewer=reviewer)]), flush=True)


if __name__ == "__main__":
    _review(*sys.argv[1:])
