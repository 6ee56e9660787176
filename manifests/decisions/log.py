"""The decision log: what reviewers said, append-only, in SQLite or any database SQLAlchemy speaks to.

An event names one exact mask, `(sample_id, mask_sha256)`: when a sample is re-labelled, old verdicts do not
carry over. Nothing is edited: an undo is an event that supersedes another. `append` returns when the events
are on disk (SQLite: WAL, synchronous=FULL); repeating a decision_id is harmless.

Writers take turns, across processes and hosts (`writing`), so `seq` is the order in which events were committed:
whoever has read up to some seq reads on from there (`events_after`) and misses none.
"""

import re
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from manifests.errors import UserError
from manifests.files.storage import is_remote

Verdict = Literal["accept", "reject", "skip"]
VERDICTS: tuple[Verdict, ...] = ("accept", "reject", "skip")
Mode = Literal["single", "grid"]  # the view on which a decision was made: one mask, or a page of them
MODES: tuple[Mode, ...] = ("single", "grid")
Purpose = Literal["work", "gold", "repeat", "second_look"]
PURPOSES: tuple[Purpose, ...] = ("work", "gold", "repeat", "second_look")
VOTING: tuple[Purpose, ...] = ("work", "second_look")  # the others only measure the reviewer
Conflicts = Literal["keep", "reject", "majority"]  # what becomes of masks that reviewers disagree on, see Policy
CONFLICTS: tuple[Conflicts, ...] = ("keep", "reject", "majority")
FLAG = "flag"  # reason of a skip that asks the lead for a second look
MaskKey = tuple[str, str]  # (sample_id, mask_sha256)

_UNDO_NAMESPACE = uuid.UUID("6f1d5a52-53f5-4f0e-9a49-5b7b1c9a8d10")  # of the ids that `undo` derives
_LOCK_TIMEOUT_SECONDS = 10
_IMMEDIATE = "maskfoundry_writing"  # execution option of a writer's connection
_WRITER_LOCK = 0x6D61736B  # "mask", the advisory lock's number in a PostgreSQL database
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
    sa.Column("mode", sa.String(8), nullable=False, server_default="single"),
    sa.Column("purpose", sa.String(16), nullable=False, server_default="work"),
)
_AFTER = sa.select(_EVENTS).where(_EVENTS.c.seq > sa.bindparam("seq")).order_by(_EVENTS.c.seq)


@dataclass(frozen=True, slots=True)
class Decision:
    """One reviewer's verdict on one exact mask.

    `purpose` says what the mask was shown for: `work` and `second_look` are votes; `gold` is a mask whose right
    verdict is known, `repeat` one that was judged before: these two measure the reviewer and are no votes.
    """

    decision_id: str
    sample_id: str
    mask_sha256: str
    verdict: Verdict
    reviewer: str
    decided_at: datetime
    reason: str | None = None
    decision_ms: int | None = None
    mode: Mode = "single"
    purpose: Purpose = "work"

    def __post_init__(self) -> None:
        """ValueError for what no manifest could hold: one such row in the log would stop every publish."""
        if self.verdict not in VERDICTS:
            raise ValueError(f"expected a verdict out of {', '.join(VERDICTS)}, found {self.verdict!r}")
        if self.decision_ms is not None and not 0 <= self.decision_ms <= _MAX_DECISION_MS:
            raise ValueError(f"expected decision_ms in 0..{_MAX_DECISION_MS}, found {self.decision_ms}")
        if self.mode not in MODES or self.purpose not in PURPOSES:
            raise ValueError(
                f"expected a mode out of {', '.join(MODES)} and a purpose out of {', '.join(PURPOSES)}, "
                f"found {self.mode!r} and {self.purpose!r}"
            )

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256

    @property
    def is_vote(self) -> bool:
        """Whether it counts for the mask: a verdict, and not one that only measures the reviewer."""
        return self.verdict != "skip" and self.purpose in VOTING

    @property
    def is_by_person(self) -> bool:
        """Not written by a merge or a score: those say so in brackets, which no user's name has."""
        return not self.reviewer.endswith(")")

    @property
    def is_flag(self) -> bool:
        """Whether it asks for a second look."""
        return self.verdict == "skip" and self.reason == FLAG


@dataclass(frozen=True, slots=True)
class Undo:
    """That a decision was taken back."""

    decision_id: str
    sample_id: str
    mask_sha256: str

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256


Event = Decision | Undo


class DatabaseAway(UserError):
    """The database refuses or can't be reached now; the same call may work later."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When a mask is settled.

    `votes` reviewers must have judged it. If they disagree, `conflicts` says what becomes of it: `keep` leaves it
    a conflict, for a second look; `reject` rejects it; `majority` does as most say, and keeps a tie a conflict.
    A lead's second look decides alone.
    """

    votes: int = 1
    conflicts: Conflicts = "keep"

    def __post_init__(self) -> None:
        if self.votes < 1:
            raise UserError(f"expected at least 1 vote per mask, found {self.votes}")
        if self.conflicts not in CONFLICTS:
            raise UserError(f"expected conflicts out of {', '.join(CONFLICTS)}, found {ascii(self.conflicts)[:60]}")


ONE_VOTE = Policy()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the log says about one mask: each reviewer's standing vote, in the order they were made."""

    standing: tuple[Decision, ...]

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> "Outcome":
        """What stands of one mask's decisions, given oldest first: a reviewer's later vote replaces the earlier one."""
        latest: dict[str, Decision] = {}
        for decision in decisions:
            if decision.is_vote:
                latest.pop(decision.reviewer, None)  # so that the order is that of the last votes
                latest[decision.reviewer] = decision
        return cls(tuple(latest.values()))

    @property
    def votes_accept(self) -> int:
        return sum(decision.verdict == "accept" for decision in self.standing)

    @property
    def votes_reject(self) -> int:
        return sum(decision.verdict == "reject" for decision in self.standing)

    def status(self, policy: Policy = ONE_VOTE) -> str:
        """What becomes of the mask under `policy`: one of the manifest's statuses."""
        second_looks = [decision for decision in self.standing if decision.purpose == "second_look"]
        if second_looks:
            return _STATUS[second_looks[-1].verdict]
        if len(self.standing) < policy.votes:
            return "pending"
        return _settled(self.votes_accept, self.votes_reject, policy.conflicts)

    @property
    def reason(self) -> str | None:
        """The last reason given with a standing reject."""
        reasons = [d.reason for d in self.standing if d.verdict == "reject" and d.reason]
        return reasons[-1] if reasons else None


_STATUS = {"accept": "accepted", "reject": "rejected"}


def _settled(accepts: int, rejects: int, conflicts: str) -> str:
    if not (accepts or rejects):
        return "pending"
    if not (accepts and rejects):
        return "accepted" if accepts else "rejected"
    if conflicts == "majority" and accepts != rejects:
        return "accepted" if accepts > rejects else "rejected"
    return "rejected" if conflicts == "reject" else "conflict"


class DecisionLog:
    """The log behind one database URL; tables are made when they are missing. Safe to use from threads."""

    def __init__(self, url: str) -> None:
        """UserError when the URL makes no sense or the database can't be opened."""
        try:
            parsed = sa.make_url(url)
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")  # the driver of the extra "postgres"
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(parsed)
            if parsed.get_backend_name() == "sqlite":
                sa.event.listen(self.engine, "connect", _make_durable)
                sa.event.listen(self.engine, "begin", _begin)
            with self.writing() as connection:
                connection.execute(sa.schema.CreateTable(_EVENTS, if_not_exists=True))
                _add_missing_columns(connection)
        except (sa.exc.SQLAlchemyError, DatabaseAway, ImportError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            shown = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)  # the password stays out of logs
            remedy = "check --database-url"
            if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
                remedy = "install its driver: pip install 'maskfoundry[postgres]'"
            raise UserError(f"expected a database at {shown}, found: {reason}; {remedy}") from error

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer's overlaps: what is read in it still holds when it commits.

        DatabaseAway when the database refuses: nothing of the transaction is kept then.
        """
        try:
            with self.engine.connect().execution_options(**{_IMMEDIATE: True}) as connection, connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER_LOCK)))
                yield connection
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            raise DatabaseAway(f"expected to write to the database, found: {_short(error)}; try again") from error

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read with; DatabaseAway as `writing`."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            raise DatabaseAway(f"expected to read from the database, found: {_short(error)}; try again") from error

    def events_after(self, seq: int, connection: sa.Connection) -> list[tuple[int, Event]]:
        """What was committed after the event numbered `seq` (0: all), in order, with its own number."""
        events: list[tuple[int, Event]] = []
        for row in connection.execute(_AFTER, {"seq": seq}).mappings():
            if row["verdict"] == "undo":
                events.append((row["seq"], Undo(row["supersedes"], row["sample_id"], row["mask_sha256"])))
            else:
                events.append((row["seq"], _decision(row)))
        return events

    def append(self, decisions: Iterable[Decision], connection: sa.Connection | None = None) -> list[str]:
        """Store decisions durably, in order, in one transaction; the ids that are now in the log.

        With a `connection` of `writing`, they are on disk when that transaction ends.
        """
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
            "decision_id": str(uuid.uuid5(_UNDO_NAMESPACE, decision_id)),
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

    def outcomes(self) -> dict[MaskKey, Outcome]:
        """Per mask that ever got a vote: the last standing vote of each reviewer.

        A mask whose votes were all undone is there with none standing; a skip is no vote, nor is a verdict that
        only measured the reviewer.
        """
        by_mask: dict[MaskKey, list[Decision]] = {key: [] for key in self._masks_with_vote()}
        for decision in self.standing():
            if decision.is_vote:
                by_mask.setdefault(decision.key, []).append(decision)  # it may have come in since the first query
        return {key: Outcome.of(votes) for key, votes in by_mask.items()}

    def _masks_with_vote(self) -> list[MaskKey]:
        query = (
            sa.select(_EVENTS.c.sample_id, _EVENTS.c.mask_sha256)
            .where(_EVENTS.c.verdict.in_(("accept", "reject")), _EVENTS.c.purpose.in_(VOTING))
            .distinct()
        )
        with self.reading() as connection:
            return [(sample_id, mask_sha256) for sample_id, mask_sha256 in connection.execute(query)]

    def _insert_new(self, rows: Sequence[dict[str, Any]], connection: sa.Connection | None) -> None:
        """Insert the rows whose decision_id is not there yet, in order."""
        if not rows:
            return
        if connection is None:
            with self.writing() as connection:
                self._insert_new(rows, connection)
        else:
            connection.execute(_insert_ignoring_known(connection.dialect.name), list(rows))


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


def _insert_ignoring_known(dialect: str) -> sa.Insert:
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(_EVENTS).on_conflict_do_nothing(index_elements=["decision_id"])
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(_EVENTS).on_conflict_do_nothing(index_elements=["decision_id"])
    raise UserError(f"expected a sqlite or postgresql database URL, found {dialect}")


def _add_missing_columns(connection: sa.Connection) -> None:
    """A log of an earlier release lacks the columns added since."""
    there = {column["name"] for column in sa.inspect(connection).get_columns(_EVENTS.name)}
    for column in _EVENTS.columns:
        if column.name not in there:
            definition = sa.schema.CreateColumn(column).compile(connection)
            connection.execute(sa.text(f"ALTER TABLE {_EVENTS.name} ADD COLUMN {definition}"))


def _short(error: sa.exc.SQLAlchemyError) -> str:
    """One line, without the statement and its values."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _begin(connection: sa.Connection) -> None:
    """Begin a writer's SQLite transaction as one: a reader's can't become one while another writer commits."""
    immediate = connection.get_execution_options().get(_IMMEDIATE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _make_durable(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says
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
