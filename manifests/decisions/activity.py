"""The activity log: who signed in, published, accepted, downloaded or changed users, when, and from which address.

A table beside the decisions: all servers of a queue share it, and it is as durable as they are. Rows are only added;
`delete_before` ends their retention and adds a row about that. No row holds a password, a token or a digest of one.
"""

import getpass
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

import sqlalchemy as sa

from manifests.decisions.database import DatabaseAway
from manifests.decisions.log import DecisionLog, as_utc

Event = Literal[
    "sign_in", "sign_in_refused", "sign_out", "publish", "accept", "download", "guideline", "user_added",
    "user_removed", "role_changed", "password_changed", "token_made", "token_revoked", "forget", "activity_deleted",
]  # fmt: skip
EVENTS: tuple[Event, ...] = get_args(Event)
HOST = "host"  # the address of a command, which an account of the machine runs

logger = logging.getLogger(__name__)

_ACTIVITY = sa.Table(
    "activity",
    sa.MetaData(),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("event", sa.String(24), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Actor:
    """A user's name and network address; `address` is HOST for an account of the machine."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Activity:
    """One row. `detail` is what the event is about: a version, a file, a user; empty where the event says it all."""

    at: datetime
    actor: str
    address: str
    event: str
    detail: str


Entry = tuple[Event, str]  # what happened, and its detail


class ActivityLog:
    """The table beside a decision log; the first row creates it. Safe to use from threads."""

    def __init__(self, log: DecisionLog, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._log = log
        self._now = now

    def record(self, actor: Actor, event: Event, detail: str = "") -> None:
        """Add a row; on disk when it returns. Raises DatabaseAway."""
        with self._log.writing() as connection:
            self.record_in(connection, actor, [(event, detail)])

    def record_done(self, actor: Actor, event: Event, detail: str = "") -> None:
        """Add a row about what has happened already: a warning instead of an error where the database refuses."""
        try:
            self.record(actor, event, detail)
        except DatabaseAway as error:
            logger.warning("the activity log lacks %s of %s (%s): %s", event, actor.name, detail, error)

    def record_in(self, connection: sa.Connection, actor: Actor, entries: Sequence[Entry]) -> None:
        """Add rows within a transaction of `DecisionLog.writing`."""
        connection.execute(sa.schema.CreateTable(_ACTIVITY, if_not_exists=True))
        columns = {"at": self._now(), "actor": actor.name[:64], "address": actor.address[:64]}
        for event, detail in entries:
            connection.execute(sa.insert(_ACTIVITY).values(event=event, detail=detail, **columns))

    def newest(self, count: int | None = None) -> list[Activity]:
        """The last `count` rows, newest first; all of them by default. Raises DatabaseAway."""
        query = sa.select(_ACTIVITY).order_by(_ACTIVITY.c.seq.desc()).limit(count)
        with self._log.reading() as connection:
            if not sa.inspect(connection).has_table(_ACTIVITY.name):
                return []
            rows = connection.execute(query).mappings().all()
        return [Activity(as_utc(row["at"]), row["actor"], row["address"], row["event"], row["detail"]) for row in rows]

    def delete_before(self, moment: datetime, actor: Actor) -> int:
        """Delete older rows, and record their number; return it."""
        with self._log.writing() as connection:
            connection.execute(sa.schema.CreateTable(_ACTIVITY, if_not_exists=True))
            deleted = connection.execute(sa.delete(_ACTIVITY).where(_ACTIVITY.c.at < moment)).rowcount
            self.record_in(connection, actor, [("activity_deleted", f"{deleted} row(s) before {moment:%Y-%m-%d}")])
        return deleted


def host_actor() -> Actor:
    """The account of this machine that runs the process."""
    try:
        return Actor(getpass.getuser(), HOST)
    except (KeyError, OSError, ImportError):  # a container may have no name for it
        return Actor("unknown", HOST)
