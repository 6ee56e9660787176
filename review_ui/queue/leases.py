"""Leases: which reviewer has which sample on screen, and until when, so that no two people get the same one.

Kept in the decision log's database as an append-only table: the last row about a reviewer and a mask counts. The
table is written in the log's own transactions (`DecisionLog.writing`) after reading its new rows, so all servers on
the database see the same leases when they grant one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from manifests.decisions.decision import MaskKey, Purpose
from manifests.decisions.log import as_utc, shared

KEEP = timedelta(days=7)  # an ended lease for gold, a repeat or a second look still tells its purpose
_NEVER = datetime.max.replace(tzinfo=UTC)

_METADATA = sa.MetaData()
_LEASES = sa.Table(
    "leases",
    _METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("sample_id", sa.String(32), nullable=False),
    sa.Column("mask_sha256", sa.String(64), nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("tab", sa.String(64), nullable=False),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False),  # decided, or given back
    sqlite_autoincrement=True,  # numbers of deleted rows are not reused
)
_AFTER = sa.select(_LEASES).where(_LEASES.c.seq > sa.bindparam("seq")).order_by(_LEASES.c.seq)


@dataclass(frozen=True, slots=True)
class Lease:
    """One mask on one reviewer's screen, in one tab of the browser."""

    key: MaskKey
    reviewer: str
    tab: str
    purpose: Purpose
    expires_at: datetime
    ended: bool = False

    def is_live(self, now: datetime) -> bool:
        return not self.ended and now < self.expires_at


class Leases:
    """The leases of one database, in memory; `catch_up` reads on, `write` writes."""

    def __init__(self) -> None:
        self._seq = 0
        self._by_mask: dict[MaskKey, dict[str, Lease]] = {}
        self._open: dict[tuple[str, MaskKey], Lease] = {}  # neither ended nor reported as expired; oldest first
        self._next_end = _NEVER  # of the open ones, or earlier

    @staticmethod
    def prepare(connection: sa.Connection, now: datetime) -> None:
        """Create the table when it is missing, and delete old leases."""
        connection.execute(sa.schema.CreateTable(_LEASES, if_not_exists=True))
        connection.execute(sa.delete(_LEASES).where(_LEASES.c.expires_at < now - KEEP))

    def catch_up(self, connection: sa.Connection) -> set[MaskKey]:
        """Read new rows and return the masks whose leases changed."""
        changed = set()
        for row in connection.execute(_AFTER, {"seq": self._seq}).mappings().all():
            self._seq = row["seq"]
            lease = _lease(row)
            self.note(lease)
            changed.add(lease.key)
        return changed

    def write(self, connection: sa.Connection, leases: Iterable[Lease]) -> None:
        """Grant, renew or end leases; `catch_up` reads them like those of other servers."""
        rows = [
            {
                "sample_id": lease.key[0],
                "mask_sha256": lease.key[1],
                "reviewer": lease.reviewer,
                "tab": lease.tab,
                "purpose": lease.purpose,
                "expires_at": lease.expires_at,
                "ended": lease.ended,
            }
            for lease in leases
        ]
        if rows:
            connection.execute(sa.insert(_LEASES), rows)

    def note(self, lease: Lease) -> None:
        """Apply the newest row of a reviewer and a mask; applying it again changes nothing.

        An ended lease for work is dropped: no measurement needs it, and there is one for each decision ever made.
        """
        name = (lease.reviewer, lease.key)
        of_mask = self._by_mask.setdefault(lease.key, {})
        of_mask[lease.reviewer] = lease
        if lease.ended:
            self._open.pop(name, None)
            if lease.purpose == "work":
                del of_mask[lease.reviewer]
                if not of_mask:
                    del self._by_mask[lease.key]
        else:
            self._open[name] = lease
            self._next_end = min(self._next_end, lease.expires_at)

    def masks(self) -> list[MaskKey]:
        """Every mask with a lease, live or not."""
        return list(self._by_mask)

    def last(self, key: MaskKey, reviewer: str) -> Lease | None:
        """The reviewer's last lease on the mask, live or not; None for one for work that ended."""
        return self._by_mask.get(key, {}).get(reviewer)

    def holders(self, key: MaskKey, now: datetime) -> list[Lease]:
        """Live leases on a mask."""
        return [lease for lease in self._by_mask.get(key, {}).values() if lease.is_live(now)]

    def open_of(self, reviewer: str) -> Iterator[Lease]:
        """The reviewer's leases that neither ended nor expired, as of the last `run_out`; oldest first."""
        return (lease for (name, _), lease in list(self._open.items()) if name == reviewer)

    def run_out(self, now: datetime) -> list[Lease]:
        """Expired leases, each reported once."""
        if now < self._next_end:
            return []
        late = [name for name, lease in self._open.items() if not lease.is_live(now)]
        expired = [self._open.pop(name) for name in late]
        self._next_end = min((lease.expires_at for lease in self._open.values()), default=_NEVER)
        return expired


def ended(lease: Lease) -> Lease:
    return replace(lease, ended=True)


def _lease(row: sa.RowMapping) -> Lease:
    return Lease(
        key=(shared(row["sample_id"]), shared(row["mask_sha256"])),
        reviewer=shared(row["reviewer"]),
        tab=shared(row["tab"]),
        purpose=shared(row["purpose"]),
        expires_at=as_utc(row["expires_at"]),
        ended=row["ended"],
    )
