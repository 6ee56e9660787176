"""The page of an audit: its part of the queue alone, in the audit's random order."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from portrait_datasets import commit_pending
from submissions import assign, decide, submission

from manifests.decisions.audit import AuditedPart, audit_order
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.store.manifest import ManifestStore
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import LOCAL_LEAD as ME

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, portraits: Path) -> ManifestStore:
    """Eight portraits wait: six of a doubt up to 0.2, one above, one without."""
    return commit_pending(tmp_path, portraits, [0.2, 0.05, 0.1, 0.9, 0.01, None, 0.2, 0.15])


def audit_session(store: ManifestStore, *, seed: int = 0) -> ReviewSession:
    log = DecisionLog(sqlite_url(store.root.parent / "data"))
    return ReviewSession(store.open(), store, log, audit=AuditedPart(0.2, seed), now=lambda: NOON)


@pytest.mark.parametrize("seed", [0, 5])
def test_only_the_part_is_shown_and_in_the_audits_order(store: ManifestStore, seed: int) -> None:
    rows = [row for row in store.open().read().to_pylist() if row["doubt"] is not None and row["doubt"] < 0.21]
    order = audit_order([row["sample_id"] for row in rows], [row["mask_sha256"] for row in rows], seed=seed)
    assignment = assign(audit_session(store, seed=seed), ME, 100)
    assert [sample.sample_id for sample in assignment.samples] == [rows[place]["sample_id"] for place in order]
    assert (assignment.remaining, assignment.progress.total) == (6, 6)


def test_a_newer_version_keeps_the_audit(store: ManifestStore) -> None:
    session = audit_session(store)
    first, *others = assign(session, ME, 100).samples
    decide(session, ME, [submission(first)])
    session.publisher.publish()
    assert assign(session, ME, 100).samples == others
