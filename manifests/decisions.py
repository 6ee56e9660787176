"""The decision log: what reviewers said, append-only, in SQLite or any database SQLAlchemy speaks to.

An event names one exact mask, `(sample_id, mask_sha256)`: when a sample is re-labelled, old verdicts do not
carry over. Nothing is edited: an undo is an event that supersedes another. `append` returns when the events
are on disk (SQLite: WAL, synchronous=FULL); repeating a decision_id is harmless.
"""

import re
import sqlite3
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from manifests.errors import UserError

Verdict = Literal["accept", "reject", "skip"]
VERDICTS: tuple[Verdict, ...] = ("accept", "reject", "skip")
MaskKey = tuple[str, str]  # (sample_id, mask_sha256)

_UNDO_NAMESPACE = uuid.UUID("6f1d5a52-53f5-4f0e-9a49-5b7b1c9a8d10")  # of the ids that `undo` derives
_LOCK_TIMEOUT_SECONDS = 10
_MAX_DECISION_MS = 2**31 - 1  # the manifest's column is int32

_METADATA = sa.MetaData()
_EVENTS = sa.Table(
    "decision_events",
    _METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("decision_id", sa.String(64), nullable=False, unique=True),
    sa.Column("sample_id", sa.String(32), nullable=False),
    sa.Column("mask_sha256", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(8), nullable=False),  # a Verdict, or "undo"
    sa.Column("reason", sa.Text),
    sa.Column("decision_ms", sa.Integer),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("supersedes", sa.String(64)),  # of an undo: the decision_id it takes back
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One reviewer's verdict on one exact mask."""

    decision_id: str
    sample_id: str
    mask_sha256: str
    verdict: Verdict
    reviewer: str
    decided_at: datetime
    reason: str | None = None
    decision_ms: int | None = None

    def __post_init__(self) -> None:
        """ValueError for what no manifest could hold: one such row in the log would stop every publish."""
        if self.verdict not in VERDICTS:
            raise ValueError(f"expected a verdict out of {', '.join(VERDICTS)}, found {self.verdict!r}")
        if self.decision_ms is not None and not 0 <= self.decision_ms <= _MAX_DECISION_MS:
            raise ValueError(f"expected decision_ms in 0..{_MAX_DECISION_MS}, found {self.decision_ms}")

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the log says about one mask: each reviewer's standing decision, in the order they were made."""

    standing: tuple[Decision, ...]

    @property
    def votes_accept(self) -> int:
        return sum(decision.verdict == "accept" for decision in self.standing)

    @property
    def votes_reject(self) -> int:
        return sum(decision.verdict == "reject" for decision in self.standing)

    @property
    def status(self) -> str:
        if self.votes_accept and self.votes_reject:
            return "conflict"
        if self.votes_accept:
            return "accepted"
        return "rejected" if self.votes_reject else "pending"

    @property
    def reason(self) -> str | None:
        """The last reason given with a standing reject."""
        reasons = [d.reason for d in self.standing if d.verdict == "reject" and d.reason]
        return reasons[-1] if reasons else None


class DecisionLog:
    """The log behind one database URL; tables are made when they are missing. Safe to use from threads."""

    def __init__(self, url: str) -> None:
        """UserError when the URL makes no sense or the database can't be opened."""
        try:
            parsed = sa.make_url(url)
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(parsed)
            if parsed.get_backend_name() == "sqlite":
                sa.event.listen(self.engine, "connect", _make_durable)
            with self.engine.begin() as connection:  # create_all looks first and then creates: two openers clash
                connection.execute(sa.schema.CreateTable(_EVENTS, if_not_exists=True))
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            reason = str(error).splitlines()[0]
            shown = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)  # the password stays out of logs
            raise UserError(f"expected a database at {shown}, found: {reason}; check --database-url") from error

    def close(self) -> None:
        self.engine.dispose()

    def append(self, decisions: Iterable[Decision]) -> list[str]:
        """Store decisions durably, in order, in one transaction; the ids that are now in the log."""
        rows: list[dict[str, Any]] = [
            {
                "decision_id": decision.decision_id,
                "sample_id": decision.sample_id,
                "mask_sha256": decision.mask_sha256,
                "verdict": decision.verdict,
                "reason": decision.reason,
                "decision_ms": decision.decision_ms,
                "reviewer": decision.reviewer,
                "decided_at": _utc(decision.decided_at),
            }
            for decision in decisions
        ]
        self._insert_new(rows)
        return [row["decision_id"] for row in rows]

    def undo(self, decision_id: str, *, reviewer: str, now: datetime | None = None) -> Decision | None:
        """Take back one of the reviewer's own decisions by a superseding event; the decision taken back.

        None when the reviewer has no such decision. Undoing it twice is harmless.
        """
        query = sa.select(_EVENTS).where(
            _EVENTS.c.decision_id == decision_id, _EVENTS.c.reviewer == reviewer, _EVENTS.c.verdict != "undo"
        )
        with self.engine.connect() as connection:
            found = connection.execute(query).mappings().one_or_none()
        if found is None:
            return None
        undo = {name: found[name] for name in ("sample_id", "mask_sha256", "reviewer")} | {
            "decision_id": str(uuid.uuid5(_UNDO_NAMESPACE, decision_id)),
            "verdict": "undo",
            "reason": None,
            "decision_ms": None,
            "decided_at": _utc(now or datetime.now(UTC)),
            "supersedes": decision_id,
        }
        self._insert_new([undo])
        return _decision(found)

    def standing(self) -> list[Decision]:
        """Every decision that was not undone, oldest first; skips too."""
        undone = sa.select(_EVENTS.c.supersedes).where(_EVENTS.c.verdict == "undo")
        query = (
            sa.select(_EVENTS)
            .where(_EVENTS.c.verdict != "undo", _EVENTS.c.decision_id.not_in(undone))
            .order_by(_EVENTS.c.seq)
        )
        with self.engine.connect() as connection:
            return [_decision(row) for row in connection.execute(query).mappings()]

    def undone_ids(self) -> set[str]:
        """The decision_ids that were taken back."""
        with self.engine.connect() as connection:
            return set(connection.scalars(sa.select(_EVENTS.c.supersedes).where(_EVENTS.c.verdict == "undo")))

    def outcomes(self) -> dict[MaskKey, Outcome]:
        """Per mask that ever got a verdict: the last standing verdict of each reviewer.

        A mask whose verdicts were all undone is there with none standing; a skip is no verdict.
        """
        by_mask: dict[MaskKey, dict[str, Decision]] = {key: {} for key in self._masks_with_verdict()}
        for decision in self.standing():
            if decision.verdict != "skip":
                latest = by_mask.setdefault(decision.key, {})  # it may have come in since the first query
                latest.pop(decision.reviewer, None)  # so that the order is that of the last verdicts
                latest[decision.reviewer] = decision
        return {key: Outcome(tuple(latest.values())) for key, latest in by_mask.items()}

    def _masks_with_verdict(self) -> list[MaskKey]:
        query = (
            sa.select(_EVENTS.c.sample_id, _EVENTS.c.mask_sha256)
            .where(_EVENTS.c.verdict.in_(("accept", "reject")))
            .distinct()
        )
        with self.engine.connect() as connection:
            return [(sample_id, mask_sha256) for sample_id, mask_sha256 in connection.execute(query)]

    def _insert_new(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert the rows whose decision_id is not there yet. Raises UserError when the database refuses."""
        if not rows:
            return
        try:
            with self.engine.begin() as connection:
                statement = _insert_ignoring_known(connection.dialect.name)
                for row in rows:
                    connection.execute(statement, row)
        except sa.exc.OperationalError as error:
            raise UserError(f"expected to store {len(rows)} decision(s), found: {error.orig}; try again") from error


def sqlite_url(data_root: Path) -> str:
    """The default database: one SQLite file under the data root."""
    return f"sqlite:///{data_root / 'decisions.sqlite3'}"


def _insert_ignoring_known(dialect: str) -> sa.Insert:
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(_EVENTS).on_conflict_do_nothing(index_elements=["decision_id"])
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(_EVENTS).on_conflict_do_nothing(index_elements=["decision_id"])
    raise UserError(f"expected a sqlite or postgresql database URL, found {dialect}")


def _make_durable(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_LOCK_TIMEOUT_SECONDS * 1000}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch to WAL; of several who open a new database at once, SQLite refuses some without waiting."""
    deadline = time.monotonic() + _LOCK_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _utc(moment: datetime) -> datetime:
    """The moment in UTC, for SQLite keeps no zone; one without a zone is UTC already."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decision(row: Any) -> Decision:
    return Decision(
        decision_id=row["decision_id"],
        sample_id=row["sample_id"],
        mask_sha256=row["mask_sha256"],
        verdict=row["verdict"],
        reviewer=row["reviewer"],
        decided_at=_utc(row["decided_at"]),
        reason=row["reason"],
        decision_ms=row["decision_ms"],
    )
