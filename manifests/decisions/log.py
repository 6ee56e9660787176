"""The decision log: reviewers' verdicts, append-only, in SQLite or PostgreSQL.

Nothing is edited: an undo is an event that supersedes a decision. `append` returns when the events are on disk
(see `database`); repeating a decision is harmless, a different one under its decision_id is refused.

Writers take turns, across processes and hosts (`writing`), so `seq` is the order in which events were committed:
a reader that continues after its last seq (`events_after`) misses no event.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from sys import intern
from typing import Any

import sqlalchemy as sa

from manifests.decisions import database
from manifests.decisions.database import DatabaseAway, add_missing_columns, insert_ignoring_known, open_engine, refused
from manifests.decisions.decision import VOTING, Decision, Event, MaskKey, Undo
from manifests.decisions.policy import MaskVerdict
from manifests.errors import UserError
from manifests.files.storage import is_remote

_UNDO_NAMESPACE = uuid.UUID("6f1d5a52-53f5-4f0e-9a49-5b7b1c9a8d10")  # of `undo_id`
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
    sa.Column("supersedes", sa.String(64)),  # of an undo: the decision_id that it undoes
    sa.Column("mode", sa.String(8), nullable=False, server_default="single"),
    sa.Column("purpose", sa.String(16), nullable=False, server_default="work"),
    sa.Column("edited_mask_sha256", sa.String(64)),  # of an accept that puts a repaired mask in the mask's place
    sa.Column("edit_iou", sa.Float),
    sa.Column("rival_mask_sha256", sa.String(64)),  # of a sample with two masks: the second one
    sa.Column("chosen_mask_sha256", sa.String(64)),  # of an accept of such a sample: the one it takes
    sa.Column("note", sa.Text),
)
_BY_SAMPLE = sa.Index("decision_events_by_sample", _EVENTS.c.sample_id)
_AFTER = sa.select(_EVENTS).where(_EVENTS.c.seq > sa.bindparam("seq")).order_by(_EVENTS.c.seq)


class DecisionClash(UserError):
    """One decision_id for two decisions."""


class DecisionLog:
    """The log at one database URL; missing tables are created. Safe to use from threads."""

    def __init__(self, url: str) -> None:
        """UserError when the URL is invalid or the database can't be opened."""
        try:
            self.engine = open_engine(url)
            with self.writing() as connection:
                connection.execute(sa.schema.CreateTable(_EVENTS, if_not_exists=True))
                add_missing_columns(connection, _EVENTS)
                # PostgreSQL lets only the table's owner ask for an index, be it there or not.
                if not sa.inspect(connection).has_index(_EVENTS.name, str(_BY_SAMPLE.name)):
                    connection.execute(sa.schema.CreateIndex(_BY_SAMPLE))
        except (sa.exc.SQLAlchemyError, DatabaseAway, ImportError, ValueError) as error:
            raise refused(url, error) from error

    def close(self) -> None:
        self.engine.dispose()

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """`database.writing` of this log."""
        return database.writing(self.engine)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """`database.reading` of this log."""
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

    def last_seq(self, connection: sa.Connection) -> int:
        """The number of the last event; 0 without any."""
        return connection.execute(sa.select(sa.func.max(_EVENTS.c.seq))).scalar() or 0

    def append(self, decisions: Iterable[Decision], connection: sa.Connection | None = None) -> list[str]:
        """Store decisions durably, in order, in one transaction; return their ids.

        With a `connection` of `writing`, they are on disk when that transaction ends. DecisionClash, and nothing is
        stored, when one has the id of a different decision.
        """
        decisions = list(decisions)
        if connection is None:
            with self.writing() as connection:
                return self.append(decisions, connection)
        rows = [asdict(decision) | {"decided_at": as_utc(decision.decided_at)} for decision in decisions]
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
        """Undo one of the reviewer's own decisions by a superseding event; return that decision.

        None when the reviewer has no such decision. Undoing it twice is harmless.
        """
        if connection is None:
            with self.writing() as connection:
                return self.undo(decision_id, reviewer=reviewer, now=now, connection=connection)
        query = sa.select(_EVENTS).where(
            _EVENTS.c.decision_id == decision_id, _EVENTS.c.reviewer == reviewer, _EVENTS.c.verdict != "undo"
        )
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        undo = {name: row[name] for name in ("sample_id", "mask_sha256", "reviewer")} | {
            "decision_id": undo_id(decision_id),
            "verdict": "undo",
            "reason": None,
            "decision_ms": None,
            "decided_at": as_utc(now or datetime.now(UTC)),
            "supersedes": decision_id,
            "mode": row["mode"],
            "purpose": row["purpose"],
        }
        self._insert_new([undo], connection)
        return _decision(row)

    def head(self) -> tuple[int, str | None]:
        """The number and the id of the last event; 0 and None without any."""
        query = sa.select(_EVENTS.c.seq, _EVENTS.c.decision_id).order_by(_EVENTS.c.seq.desc()).limit(1)
        with self.reading() as connection:
            last = connection.execute(query).one_or_none()
        return (last.seq, last.decision_id) if last else (0, None)

    def holds(self, seq: int, event_id: str | None) -> bool:
        """Whether the event of that number has that id; so does no other log, nor one that went on from a backup."""
        query = sa.select(_EVENTS.c.decision_id).where(_EVENTS.c.seq == seq)
        with self.reading() as connection:
            return bool(connection.execute(query).scalar_one_or_none() == event_id)

    def samples_after(self, seq: int) -> list[str]:
        """The ids of samples with an event after number `seq`."""
        query = sa.select(_EVENTS.c.sample_id).where(_EVENTS.c.seq > seq).distinct()
        with self.reading() as connection:
            return list(connection.execute(query).scalars())

    def masks_with_vote(self, *, after: int = 0, until: int) -> int:
        """The number of masks whose first vote has a number from `after` + 1 to `until`, undone votes too."""
        earlier = _EVENTS.alias()
        known = sa.exists().where(
            earlier.c.sample_id == _EVENTS.c.sample_id,
            earlier.c.mask_sha256 == _EVENTS.c.mask_sha256,
            earlier.c.seq <= after,
            _is_vote(earlier),
        )
        masks = (
            sa.select(_EVENTS.c.sample_id, _EVENTS.c.mask_sha256)
            .where(_is_vote(_EVENTS), _EVENTS.c.seq > after, _EVENTS.c.seq <= until, ~known)
            .distinct()
        )
        with self.reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(masks.subquery())).scalar_one())

    def standing(self) -> list[Decision]:
        """Every decision that was not undone, oldest first, including skips."""
        return self._standing(sa.true())

    def outcomes(self, samples: Iterable[str] | None = None) -> dict[MaskKey, MaskVerdict]:
        """The last standing vote of each reviewer, for every mask, of `samples` if given, that ever got a vote.

        A mask whose votes were all undone has no standing vote. Skips, and verdicts that only measure the reviewer,
        are not votes.
        """
        by_mask: dict[MaskKey, list[Decision]] = {}
        for chosen in [sa.true()] if samples is None else _of_samples(samples):
            by_mask |= {key: [] for key in self._masks_with_vote(chosen)}
            for decision in self._standing(chosen):
                if decision.is_vote:
                    by_mask.setdefault(decision.key, []).append(decision)  # it may be newer than the first query
        return {key: MaskVerdict.of(votes) for key, votes in by_mask.items()}

    def _standing(self, chosen: sa.ColumnElement[bool]) -> list[Decision]:
        undone = sa.select(_EVENTS.c.supersedes).where(_EVENTS.c.verdict == "undo", chosen)
        query = (
            sa.select(_EVENTS)
            .where(_EVENTS.c.verdict != "undo", chosen, _EVENTS.c.decision_id.not_in(undone))
            .order_by(_EVENTS.c.seq)
        )
        with self.reading() as connection:
            return [_decision(row) for row in connection.execute(query).mappings()]

    def _masks_with_vote(self, chosen: sa.ColumnElement[bool]) -> list[MaskKey]:
        query = sa.select(_EVENTS.c.sample_id, _EVENTS.c.mask_sha256).where(_is_vote(_EVENTS), chosen).distinct()
        with self.reading() as connection:
            return [(sample_id, mask_sha256) for sample_id, mask_sha256 in connection.execute(query)]

    def _insert_new(self, rows: Sequence[dict[str, Any]], connection: sa.Connection) -> None:
        """Insert the rows whose decision_id is new, in order."""
        if rows:
            connection.execute(insert_ignoring_known(_EVENTS, connection.dialect.name), list(rows))

    def _check_known(self, decisions: Sequence[Decision], connection: sa.Connection) -> None:
        """DecisionClash unless the log holds each of the decisions under its id."""
        for batch in (decisions[first : first + _IDS_A_QUERY] for first in range(0, len(decisions), _IDS_A_QUERY)):
            query = sa.select(_EVENTS).where(_EVENTS.c.decision_id.in_([each.decision_id for each in batch]))
            rows = {row["decision_id"]: row for row in connection.execute(query).mappings()}
            for decision in batch:
                row = rows[decision.decision_id]
                if row["verdict"] == "undo" or not decision.repeats(_decision(row)):
                    raise clash(decision.decision_id)


def _is_vote(events: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(events.c.verdict.in_(("accept", "reject")), events.c.purpose.in_(VOTING))


def _of_samples(samples: Iterable[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that choose the events of the samples, _IDS_A_QUERY of them at a time."""
    ids = list(samples)
    for first in range(0, len(ids), _IDS_A_QUERY):
        yield _EVENTS.c.sample_id.in_(ids[first : first + _IDS_A_QUERY])


def undo_id(decision_id: str) -> str:
    """The id of the event that undoes a decision."""
    return str(uuid.uuid5(_UNDO_NAMESPACE, decision_id))


def clash(decision_id: str) -> DecisionClash:
    """The error for a decision whose id a different decision has; it doesn't name that one."""
    return DecisionClash(
        f"expected a unique decision_id for each decision, found {decision_id} for another one already; make a new UUID"
    )


def sqlite_url(data_root: Path) -> str:
    """The default database: one SQLite file under the data root. UserError when that is a URL."""
    if is_remote(data_root):
        raise UserError(
            f"expected --database-url, as the decision log is a database and can't lie in {data_root}, found none"
        )
    return f"sqlite:///{data_root / 'decisions.sqlite3'}"


def existing_log(database_url: str | None, data_root: Path) -> DecisionLog | None:
    """Open the log at `database_url`, by default the one under `data_root`; None when that one doesn't exist.

    No file is created: UserError when `database_url` names a missing one.
    """
    if database_url:
        file = Path(database_url.removeprefix("sqlite:///"))
        if database_url.startswith("sqlite:") and not file.is_file():
            raise UserError(f"expected a decision log at {database_url}, found no file; check --database-url")
        return DecisionLog(database_url)
    return DecisionLog(sqlite_url(data_root)) if (data_root / "decisions.sqlite3").is_file() else None


def as_utc(moment: datetime) -> datetime:
    """The moment in UTC; SQLite stores no time zone, so a moment without one is in UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def shared(text: Any) -> Any:
    """The text as one object for all rows that repeat it: a server keeps all of them in memory."""
    return intern(text)


def _decision(row: Any) -> Decision:
    return Decision(
        decision_id=row["decision_id"],
        sample_id=shared(row["sample_id"]),
        mask_sha256=shared(row["mask_sha256"]),
        verdict=shared(row["verdict"]),
        reviewer=shared(row["reviewer"]),
        decided_at=as_utc(row["decided_at"]),
        reason=row["reason"],
        decision_ms=row["decision_ms"],
        mode=shared(row["mode"]),
        purpose=shared(row["purpose"]),
        edited_mask_sha256=row["edited_mask_sha256"],
        edit_iou=row["edit_iou"],
        rival_mask_sha256=row["rival_mask_sha256"],
        chosen_mask_sha256=row["chosen_mask_sha256"],
        note=row["note"],
    )
