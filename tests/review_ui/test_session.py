"""The review session, with no page and no server running."""

import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from paired_import import import_ground_truth
from portrait_datasets import commit_pending, relabel
from submissions import FALLING, assign, decide, submission

from manifests.decisions.decision import Event
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.decisions.publish import NothingToPublish
from manifests.store.manifest import Manifest, ManifestStore
from review_ui.queue.assignments import LEASE_SECONDS
from review_ui.queue.live_state import LiveState
from review_ui.queue.messages import UnknownDecision, UnknownSample
from review_ui.queue.open_samples import ReviewQueue
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import LOCAL_LEAD as ME

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


# What a server does until the first sample is handed out, and which heavy modules that imported.
START = """
import sys
from pathlib import Path
from manifests.decisions.decision import Event
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.store.manifest import ManifestStore
from review_ui import app
from review_ui.queue.messages import NextRequest
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import LOCAL_LEAD

store = ManifestStore(Path("manifests"))
session = ReviewSession(store.open(), store, DecisionLog(sqlite_url(Path("data"))))
assignment = session.next_all([NextRequest(LOCAL_LEAD, 16, "", "work")])[0]
print(len(assignment.samples), sorted({"gradio", "pandas", "torch", "cv2"} & sys.modules.keys()))
"""


@pytest.fixture
def open_session(tmp_path: Path) -> Callable[[], ReviewSession]:
    """Opens a session on the latest version of what lies in tmp_path, as a server's start does."""

    def open_session() -> ReviewSession:
        store = ManifestStore(tmp_path / "manifests")
        return ReviewSession(store.open(), store, DecisionLog(sqlite_url(tmp_path / "data")), now=lambda: NOON)

    return open_session


@pytest.fixture
def session(tmp_path: Path, six_waiting: Path, open_session: Callable[[], ReviewSession]) -> ReviewSession:
    """Six real portraits wait, of falling doubt."""
    shutil.copytree(six_waiting, tmp_path, dirs_exist_ok=True)
    return open_session()


def waiting(session: ReviewSession) -> list[str]:
    return [sample.sample_id for sample in assign(session, ME, 100).samples]


def test_nothing_heavy_is_imported_until_the_first_sample_is_handed_out(tmp_path, six_waiting):
    shutil.copytree(six_waiting, tmp_path, dirs_exist_ok=True)
    done = subprocess.run([sys.executable, "-c", START], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["6", "[]\n"]


def test_the_most_doubtful_comes_first_and_no_doubt_last(tmp_path, portraits, open_session):
    commit_pending(tmp_path, portraits, [0.2, None, 0.9, 0.2, 0.5])
    samples = assign(open_session(), ME, 100).samples
    assert [round(s.doubt, 3) if s.doubt is not None else None for s in samples] == [0.9, 0.5, 0.2, 0.2, None]
    assert samples[2].sample_id < samples[3].sample_id


def test_ground_truth_is_never_handed_out(tmp_path, portraits, open_session):
    store = commit_pending(tmp_path, portraits, FALLING)
    import_ground_truth(
        store,
        images=portraits / "images",
        masks=portraits / "masks",
        source="truth",
        data_root=tmp_path / "data",
        limit=10,
    )
    assignment = assign(open_session(), ME, 100)
    assert (len(assignment.samples), assignment.progress.total) == (6, 6)


def test_a_decided_sample_leaves_the_queue_and_counts_as_done(session):
    first, second, *_ = assign(session, ME, 6).samples
    result = decide(session, ME, [submission(first), submission(second, "reject")])
    assert len(result.stored) == 2
    assignment = assign(session, ME, 100)
    assert {first, second}.isdisjoint(assignment.samples)
    assert (assignment.remaining, assignment.progress.done, assignment.progress.total) == (4, 2, 6)


def test_decisions_hold_for_the_next_session(session, open_session):
    first, second, *rest = assign(session, ME, 6).samples
    decide(session, ME, [submission(first), submission(second, "skip")])
    assert waiting(open_session()) == [sample.sample_id for sample in [*rest, second]]


def test_a_lease_lasts_as_long_as_promised(session):
    assert assign(session, ME, 1).lease_expires_at == NOON + timedelta(seconds=LEASE_SECONDS)


def test_repeating_a_decision_changes_nothing(session):
    decision = submission(assign(session, ME, 1).samples[0])
    assert decide(session, ME, [decision, decision]).stored == [decision["decision_id"]] * 2
    assert decide(session, ME, [decision]).stored == [decision["decision_id"]]
    assert assign(session, ME, 1).progress.done == 1


CLASHES: dict[str, dict[str, object]] = {
    "verdict": {"verdict": "reject"},
    "reason": {"reason": "hair"},
    "mask": {"mask_sha256": "9" * 64},
    "sample": {"sample_id": "9" * 32},
}


@pytest.mark.parametrize("changed", CLASHES)
@pytest.mark.parametrize("state", ["stands", "undone", "restarted"])
def test_another_decision_under_a_known_id_is_refused_and_the_others_are_kept(session, open_session, changed, state):
    first, other, third = (submission(sample) for sample in assign(session, ME, 3).samples)
    decide(session, ME, [first])
    if state == "undone":
        session.undo(ME, first["decision_id"])
    if state == "restarted":
        session = open_session()
    result = decide(session, ME, [other, first | CLASHES[changed], third, first])
    assert result.stored == [other["decision_id"], third["decision_id"], first["decision_id"]]
    [refusal] = result.refused
    assert refusal.decision_id == first["decision_id"]
    assert refusal.is_clash
    assert refusal.error.startswith("expected a unique decision_id for each decision, found")
    standing = {decision.decision_id: decision.verdict for decision in session.decisions()}
    assert standing == {
        sent["decision_id"]: "accept" for sent in (first, other, third) if state != "undone" or sent is not first
    }


def test_the_same_id_twice_in_one_batch_stands_for_the_first(session):
    decision = submission(assign(session, ME, 1).samples[0])
    result = decide(session, ME, [decision, decision | {"verdict": "reject"}])
    assert (result.stored, len(result.refused)) == ([decision["decision_id"]], 1)
    assert [stored.verdict for stored in session.decisions()] == ["accept"]


def test_an_id_of_another_reviewer_is_refused(session):
    decision = submission(assign(session, ME, 1).samples[0])
    decide(session, ME, [decision])
    assert decide(session, replace(ME, name="zoe"), [decision]).stored == []


def test_repeating_a_decision_that_was_undone_leaves_it_undone(session):
    decision = submission(assign(session, ME, 1).samples[0])
    decide(session, ME, [decision])
    session.undo(ME, decision["decision_id"])
    decide(session, ME, [decision])
    assert assign(session, ME, 1).samples[0].sample_id == decision["sample_id"]


BAD_SUBMISSIONS = {
    "unknown sample": ({"sample_id": "0" * 32}, "expected a sample under review in v1, found '000"),
    "sample id in a list": ({"sample_id": []}, "expected sample_id as text"),
    "another mask": ({"mask_sha256": "f" * 64}, "look at the new mask"),
    "verdict in the wrong case": ({"verdict": "Accept"}, "expected a verdict out of accept, reject, skip"),
    "undo as a verdict": ({"verdict": "undo"}, "expected a verdict out of"),
    "verdict as a list": ({"verdict": ["accept"]}, "expected a verdict out of"),
    "malformed id": ({"decision_id": "1"}, "expected a UUID"),
    "no id": ({"decision_id": None}, "expected a UUID"),
    "negative time": ({"decision_ms": -1}, "whole milliseconds"),
    "time beyond the column": ({"decision_ms": 2**31}, "whole milliseconds"),
    "time that is no number": ({"decision_ms": True}, "whole milliseconds"),
    "broken text as a reason": ({"reason": "\ud800"}, "expected a reason"),
    "endless reason": ({"reason": "x" * 10_000}, "expected a reason of at most 200"),
}


@pytest.mark.parametrize("case", BAD_SUBMISSIONS)
def test_a_bad_decision_is_refused_with_its_reason_and_the_rest_is_stored(session, case):
    changes, error = BAD_SUBMISSIONS[case]
    bad, good = assign(session, ME, 2).samples
    result = decide(session, ME, [submission(bad, **changes), submission(good)])
    assert len(result.stored) == 1
    assert [error in refusal.error for refusal in result.refused] == [True]
    assert len(result.refused[0].error) < 220
    assert assign(session, ME, 1).progress.done == 1


@pytest.mark.parametrize("raw", [None, 7, "accept", [], {}])
def test_what_is_no_decision_at_all_is_refused(session, raw):
    result = decide(session, ME, [raw])
    assert (result.stored, len(result.refused)) == ([], 1)


def test_a_skipped_sample_comes_back_at_the_end(session):
    first, second, *rest = assign(session, ME, 6).samples
    decide(session, ME, [submission(first, "skip"), submission(second, "skip")])
    assert assign(session, ME, 100).samples == [*rest, first, second]
    decide(session, ME, [submission(first, "skip")])
    assert assign(session, ME, 100).samples == [*rest, second, first]
    assert assign(session, ME, 1).progress.done == 0


def test_undo_puts_a_sample_back_in_its_place(session):
    before = waiting(session)
    first, second, *_ = assign(session, ME, 6).samples
    decisions = [submission(first), submission(second, "skip")]
    decide(session, ME, decisions)
    assert session.undo(ME, decisions[1]["decision_id"]).sample == second
    assert session.undo(ME, decisions[0]["decision_id"]).sample == first
    assert waiting(session) == before


def test_undo_of_a_reason_takes_the_reject_back_as_well(session, open_session):
    sample = assign(session, ME, 1).samples[0]
    with_reason = submission(sample, "reject", reason="hair")
    decide(session, ME, [submission(sample, "reject"), with_reason])
    session.undo(ME, with_reason["decision_id"])
    assert assign(session, ME, 1).samples == [sample]
    assert assign(open_session(), ME, 1).samples == [sample]


def test_a_late_repeat_of_an_undo_leaves_the_newer_verdict_alone(session):
    sample = assign(session, ME, 1).samples[0]
    old = submission(sample)
    decide(session, ME, [old])
    session.undo(ME, old["decision_id"])
    decide(session, ME, [submission(sample, "reject")])
    session.undo(ME, old["decision_id"])
    assert assign(session, ME, 1).progress.done == 1


def test_a_repeat_of_an_undone_decision_changes_nothing_even_after_a_restart(session, open_session):
    sample = assign(session, ME, 1).samples[0]
    decision = submission(sample)
    decide(session, ME, [decision])
    session.undo(ME, decision["decision_id"])
    restarted = open_session()
    decide(restarted, ME, [decision])
    assert assign(restarted, ME, 1).samples == [sample]


@pytest.mark.parametrize(
    "sample_id", ["-d734ead0b357880d62", "+734ead0b357880d62", " 1", "0x12", "\ud800", "", "f" * 32]
)
def test_a_visit_to_an_unknown_sample_is_refused(session, sample_id):
    with pytest.raises(UnknownSample, match="expected a sample under review in v1, found"):
        session.visit(ME, sample_id)


def test_undo_of_an_unknown_decision_is_refused(session):
    with pytest.raises(UnknownDecision, match="found none named"):
        session.undo(ME, str(uuid.uuid4()))


def test_history_names_the_last_word_on_each_sample_newest_first(session, open_session):
    first, second, *_ = assign(session, ME, 6).samples
    decide(session, ME, [submission(first, "reject"), submission(first, "reject", reason="hair"), submission(second)])
    for each in (session, open_session()):
        told = [(decision.verdict, decision.reason, sample) for decision, sample in each.history(ME, 20)]
        assert told == [("accept", None, second), ("reject", "hair", first)]
    assert len(session.history(ME, 1)) == 1


def test_publish_moves_on_to_the_version_with_the_verdicts(session):
    first, second, third, *_ = assign(session, ME, 6).samples
    decide(
        session,
        ME,
        [
            submission(first),
            submission(second, "reject"),
            submission(second, "reject", reason="hair", decision_ms=1200),
        ],
    )
    decide(session, ME, [submission(third, "skip")])
    manifest = session.publisher.publish()
    rows = {row["sample_id"]: row for row in manifest.read().to_pylist()}
    assert session.manifest.version == manifest.version == 2
    assert rows[first.sample_id]["status"] == "accepted"
    assert (rows[second.sample_id]["status"], rows[second.sample_id]["reason"]) == ("rejected", "hair")
    assert (rows[second.sample_id]["votes_reject"], rows[second.sample_id]["reviewers"]) == (1, ["local"])
    assert rows[third.sample_id]["status"] == "pending"
    assert (assign(session, ME, 1).progress.done, assign(session, ME, 1).remaining) == (2, 4)


def test_publish_with_nothing_new_is_refused(session):
    with pytest.raises(NothingToPublish):
        session.publisher.publish()


def test_a_published_verdict_can_be_undone_and_published_again(session):
    decision = submission(assign(session, ME, 1).samples[0])
    decide(session, ME, [decision])
    session.publisher.publish()
    session.undo(ME, decision["decision_id"])
    assert assign(session, ME, 1).samples[0].sample_id == decision["sample_id"]
    assert session.publisher.publish().counts == {"rows": 6, "pending": 6}


def test_publish_brings_the_rows_that_others_added(tmp_path, portraits, session):
    commit_pending(tmp_path, portraits, [1.0, 0.1], first=6)
    decide(session, ME, [submission(assign(session, ME, 1).samples[0])])
    assert session.publisher.publish().version == 3
    assert assign(session, ME, 100).progress.total == 8
    assert assign(session, ME, 1).samples[0].doubt == 1.0


def test_after_a_publish_the_queue_is_that_of_a_new_session(session, open_session):
    first, second, third, fourth, *_ = assign(session, ME, 6).samples
    skip = submission(second, "skip")
    decide(session, ME, [skip, submission(first, "skip"), submission(third), submission(fourth)])
    decide(session, ME, [submission(fourth, "skip", reason="flag"), submission(third, "skip", reason="flag")])
    session.undo(ME, skip["decision_id"])
    decide(session, ME, [submission(second, "skip")])

    session.publisher.publish()

    for queue, waiting in (("work", 4), ("second_look", 2)):
        kept = assign(session, ME, 100, queue=queue)
        session.release(ME, tab="")
        new = assign(open_session(), ME, 100, queue=queue)
        assert len(kept.samples) == waiting
        assert (kept.samples, kept.progress, kept.remaining) == (new.samples, new.progress, new.remaining)


def test_a_publish_reads_no_decision_twice(session, monkeypatch):
    decide(session, ME, [submission(assign(session, ME, 1).samples[0])])
    read, events_after = [], DecisionLog.events_after

    def watched(log: DecisionLog, seq: int, connection: sa.Connection) -> list[tuple[int, Event]]:
        events = events_after(log, seq, connection)
        read.extend(events)
        return events

    monkeypatch.setattr(DecisionLog, "events_after", watched)
    session.publisher.publish()
    assign(session, ME, 6)

    assert len(read) == 1  # by the next transaction, as its own


def test_a_version_committed_while_a_published_one_is_read_comes_up_later(tmp_path, portraits, session, monkeypatch):
    decide(session, ME, [submission(sample) for sample in assign(session, ME, 6).samples])
    read = LiveState.queue_of

    def slowly_read(state: LiveState, manifest: Manifest) -> ReviewQueue:
        if manifest.version == 2:
            commit_pending(tmp_path, portraits, [0.3], first=6)
        return read(state, manifest)

    monkeypatch.setattr(LiveState, "queue_of", slowly_read)
    assert session.publisher.publish().version == 2
    assert (assign(session, ME, 1).remaining, session.manifest.version) == (1, 3)


def test_a_published_version_does_not_replace_a_later_one(tmp_path, portraits, session, monkeypatch):
    decide(session, ME, [submission(sample) for sample in assign(session, ME, 6).samples])
    read = LiveState.queue_of

    def read_beside_another_thread(state: LiveState, manifest: Manifest) -> ReviewQueue:
        queue = read(state, manifest)
        if manifest.version == 2:
            commit_pending(tmp_path, portraits, [0.3], first=6)
            assert assign(session, ME, 1).remaining == 1  # as another thread does, which finds v3
        return queue

    monkeypatch.setattr(LiveState, "queue_of", read_beside_another_thread)
    session.publisher.publish()
    assert (assign(session, ME, 1).remaining, session.manifest.version) == (1, 3)


def test_a_newer_version_is_taken_up_when_nothing_waits(tmp_path, portraits, session):
    decide(session, ME, [submission(sample) for sample in assign(session, ME, 6).samples])
    assert assign(session, ME, 1).remaining == 0
    commit_pending(tmp_path, portraits, [0.3], first=6)
    assert (assign(session, ME, 1).remaining, session.manifest.version) == (1, 2)


def test_a_verdict_does_not_carry_over_to_a_new_mask(tmp_path, session, open_session):
    sample, other, *_ = assign(session, ME, 6).samples
    decide(session, ME, [submission(sample)])
    relabel(ManifestStore(tmp_path / "manifests"), sample.sample_id, mask_of=other.sample_id)
    session = open_session()
    assert assign(session, ME, 1).samples[0].mask_sha256 == other.mask_sha256
    assert "look at the new mask" in decide(session, ME, [submission(sample)]).refused[0].error


def test_decisions_from_many_threads_are_all_stored(session, open_session):
    samples = assign(session, ME, 6).samples
    threads = [threading.Thread(target=lambda s=sample: decide(session, ME, [submission(s)])) for sample in samples]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert assign(session, ME, 1).remaining == assign(open_session(), ME, 1).remaining == 0
