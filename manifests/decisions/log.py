"""The decision log: reviewers' verdicts, append-only, in SQLite or PostgreSQL.

An event names one exact mask, `(sample_id, mask_sha256)`: when a sample is re-labelled, old verdicts do not
carry over. Nothing is edited: an undo is an event that supersedes another. `append` returns when the events
are on disk (SQLite: WAL, synchronous=FULL); repeating a decision is harmless, another one under its decision_id is not.

Writers take turns, across processes and hosts (`writing`), so `seq` is the order in which events were committed:
whoever has read up to some seq reads on from there (`events_after`) and misses none.
"""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from manifests.decisions import database
from manifests.decisions.database import DatabaseAway, add_missing_columns, insert_ignoring_known, open_engine, refused
from manifests.decisions.decision import VOTING, Decision, Event, MaskKey, Undo
from manifests.decisions.policy import MaskVerdict
from manifests.errors import UserError
from manifests.files.storage import is_remote

_UNDO_NAMESPACE = uuid.UUID("6f1d5a52-53f5-4f0e-9a49-5b7b1c9a8d10")  # of the ids that `undo` derives
_IDS_A_QUERY = 500  # SQLite takes some thousands of parameters
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
    sa.Column("mode", sa.String(8), nullable=False, server_default="single"),
    sa.Column("purpose", sa.String(16), nullable=False, server_default="work"),
)
_AFTER = sa.select(_EVENTS).where(_EVENTS.c.seq > sa.bindparam("seq")).order_by(_EVENTS.c.seq)


class DecisionClash(UserError):
    """One decision_id for two decisions."""


class DecisionLog:
    """The log behind one database URL; tables are made when they are missing. Safe to use from threads."""

    def __init__(self, url: str) -> None:
        """UserError when the URL makes no sense or the database can't be opened."""
        try:
            self.engine = open_engine(url)
            with self.writing() as connection:
                connection.execute(sa.schema.CreateTable(_EVENTS, if_not_exists=True))
                add_missing_columns(connection, _EVENTS)
        except (sa.exc.SQLAlchemyError, DatabaseAway, ImportError) as error:
            raise refused(url, error) from error

    def close(self) -> None:
        self.engine.dispose()

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that no other writer's overlaps: what is read in it still holds when it commits.

        DatabaseAway when the database refuses: nothing of the transaction is kept then.
        """
        return database.writing(self.engine)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection to read with; DatabaseAway as `writing`."""
        return database.reading(self.engine)

    def events_after(self, seq: int, connection: sa.Connection) -> list[tuple[int, Event]]:
        """Events committed after number `seq` (0: all), in order, each with its number."""
        events: list[tuple[int, Event]] = []
        for row in connection.execute(_AFTER, {"seq": seq}).mappings():
            if row["verdict"] == "undo":
                events.append((row["seq"], Undo(row["supersedes"], row["sample_id"], row["mask_sha256"])))
            else:
                events.append((row["seq"], _decision(row)))
        return events

    def append(self, decisions: Iterable[Decision], connection: sa.Connection | None = None) -> list[str]:
        """Store decisions durably, in order, in one transaction; the ids that are now in the log.

        With a `connection` of `writing`, they are on disk when that transaction ends. DecisionClash when one has the id
        of another decision; none is stored then.
        """
        decisions = list(decisions)
        if connection is None:
            with self.writing() as connection:
                return self.append(decisions, connection)
        rows: list[dict[str, Any]] = [
            {
                "decision_id": decision.decision_id,
                "sample_id": decision.sample_id,
                "mask_sha256": decision.mask_sha256,
                "verdict": decision.verdict,
                "reason": decision.reason,
                "decision_ms": decision.decision_ms,
                "reviewer": decision.reviewer,
                "decided_at": as_utc(decision.decided_at),
                "mode": decision.mode,
                "purpose": decision.purpose,
            }
            for decision in decisions
        ]
        self._insert_new(rows, connection)
        self._check_known(decisions, connection)
        return [row["decision_id"] for row in rows]

    def undo(
        self,
        decision_id: str,
        *,
        reviewer: str,
        now: datetime | None = None,
        connection: sa.Connection | None = None,
    ) -> Decision | None:
        """Take back one of the reviewer's own decisions by a superseding event; the decision taken back.

        None when the reviewer has no such decision. Undoing it twice is harmless.
        """
        if connection is None:
            with self.writing() as connection:
                return self.undo(decision_id, reviewer=reviewer, now=now, connection=connection)
        query = sa.select(_EVENTS).where(
            _EVENTS.c.decision_id == decision_id, _EVENTS.c.reviewer == reviewer, _EVENTS.c.verdict != "undo"
        )
        found = connection.execute(query).mappings().one_or_none()
        if found is None:
            return None
        undo = {name: found[name] for name in ("sample_id", "mask_sha256", "reviewer")} | {
            "decision_id": undo_id(decision_id),
            "verdict": "undo",
            "reason": None,
            "decision_ms": None,
            "decided_at": as_utc(now or datetime.now(UTC)),
            "supersedes": decision_id,
            "mode": found["mode"],
            "purpose": found["purpose"],
        }
        self._insert_new([undo], connection)
        return _decision(found)

    def standing(self) -> list[Decision]:
        """Every decision that was not undone, oldest first; skips too."""
        undone = sa.select(_EVENTS.c.supersedes).where(_EVENTS.c.verdict == "undo")
        query = (
            sa.select(_EVENTS)
            .where(_EVENTS.c.verdict != "undo", _EVENTS.c.decision_id.not_in(undone))
            .order_by(_EVENTS.c.seq)
        )
        with self.reading() as connection:
            return [_decision(row) for row in connection.execute(query).mappings()]

    def outcomes(self) -> dict[MaskKey, MaskVerdict]:
        """Per mask that ever got a vote: the last standing vote of each reviewer.

        A mask whose votes were all undone is there with none standing; a skip is no vote, nor is a verdict that
        only measured the reviewer.
        """
        by_mask: dict[MaskKey, list[Decision]] = {key: [] for key in self._masks_with_vote()}
        for decision in self.standing():
            if decision.is_vote:
                by_mask.setdefault(decision.key, []).append(decision)  # it may have come in since the first query
        return {key: MaskVerdict.of(votes) for key, votes in by_mask.items()}

    def _masks_with_vote(self) -> list[MaskKey]:
        query = (
            sa.select(_EVENTS.c.sample_id, _EVENTS.c.mask_sha256)
            .where(_EVENTS.c.verdict.in_(("accept", "reject")), _EVENTS.c.purpose.in_(VOTING))
            .distinct()
        )
        with self.reading() as connection:
            return [(sample_id, mask_sha256) for sample_id, mask_sha256 in connection.execute(query)]

    def _insert_new(self, rows: Sequence[dict[str, Any]], connection: sa.Connection) -> None:
        """Insert the rows whose decision_id is not there yet, in order."""
        if rows:
            connection.execute(insert_ignoring_known(_EVENTS, connection.dialect.name), list(rows))

    def _check_known(self, decisions: Sequence[Decision], connection: sa.Connection) -> None:
        """DecisionClash unless the log holds each of the decisions under its id."""
        for batch in (decisions[first : first + _IDS_A_QUERY] for first in range(0, len(decisions), _IDS_A_QUERY)):
            query = sa.select(_EVENTS).where(_EVENTS.c.decision_id.in_([each.decision_id for each in batch]))
            found = {row["decision_id"]: row for row in connection.execute(query).mappings()}
            for decision in batch:
                row = found[decision.decision_id]
                if row["verdict"] == "undo" or not decision.repeats(_decision(row)):
                    raise clash(decision.decision_id)


def undo_id(decision_id: str) -> str:
    """The id of the event that takes a decision back."""
    return str(uuid.uuid5(_UNDO_NAMESPACE, decision_id))


def clash(decision_id: str) -> DecisionClash:
    """The error of a decision whose id stands for another one; it doesn't tell which."""
    return DecisionClash(
        f"expected a decision_id of its own for each decision, found {decision_id} for another one already; "
        "make a new UUID"
    )


def sqlite_url(data_root: Path) -> str:
    """The default database: one SQLite file under the data root. UserError when that is a URL."""
    if is_remote(data_root):
        raise UserError(
            f"expected --database-url, for the decision log is a database and can't lie in {data_root}, found none"
        )
    return f"sqlite:///{data_root / 'decisions.sqlite3'}"


def existing_log(database_url: str | None, data_root: Path) -> DecisionLog | None:
    """The log at `database_url`, by default the one under `data_root`; None where that is missing: none is made.

    UserError when a URL is given and there is no such file.
    """
    if database_url:
        file = Path(database_url.removeprefix("sqlite:///"))
        if database_url.startswith("sqlite:") and not file.is_file():
            raise UserError(f"expected a decision log at {database_url}, found no file; check --database-url")
        return DecisionLog(database_url)
    return DecisionLog(sqlite_url(data_root)) if (data_root / "decisions.sqlite3").is_file() else None


def as_utc(moment: datetime) -> datetime:
    """The moment in UTC, for SQLite keeps no zone; one without a zone is UTC already."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decision(row: Any) -> Decision:
    return Decision(
        decision_id=row["decision_id"],
        sample_id=row["sample_id"],
        mask_sha256=row["mask_sha256"],
        verdict=row["verdict"],
        reviewer=row["reviewer"],
        decided_at=as_utc(row["decided_at"]),
        reason=row["reason"],
        decision_ms=row["decision_ms"],
        mode=row["mode"],
        purpose=row["purpose"],
    )
