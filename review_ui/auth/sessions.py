"""Sign-ins: a table `sign_ins` in the decision log's database, so that they outlive a restart and hold on every
server of the queue.

A token is 256 random bits that only the browser has; the table has its SHA-256. It ends 12 hours after its last use,
at the latest 7 days after its issue.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from manifests.decisions.database import DatabaseAway
from manifests.decisions.log import DecisionLog, as_utc

IDLE_LIMIT = timedelta(hours=12)  # a working day, lunch and all
AGE_LIMIT = timedelta(days=7)
EXTEND_EVERY = timedelta(minutes=1)  # not a write per request

_TOKEN_BYTES = 32

_SIGN_INS = sa.Table(
    "sign_ins",
    sa.MetaData(),
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("password_fingerprint", sa.String(32), nullable=False),  # another password ends the sign-in
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class SignInRecord:
    """One row of the table, without the token."""

    name: str
    password_fingerprint: str
    created_at: datetime
    expires_at: datetime


class SignInSessions:
    """The table beside a decision log, created when it is missing. Safe to use from threads. Raises DatabaseAway."""

    def __init__(self, log: DecisionLog, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._log = log
        self._now = now
        self._write(sa.schema.CreateTable(_SIGN_INS, if_not_exists=True))

    def issue(self, name: str, password_fingerprint: str) -> str:
        """Issue a new token, and delete expired rows."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._now()
        row = {
            "token_sha256": digest_of(token),
            "name": name,
            "password_fingerprint": password_fingerprint,
            "created_at": now,
            "expires_at": now + IDLE_LIMIT,
        }
        self._write(sa.delete(_SIGN_INS).where(_SIGN_INS.c.expires_at <= now), sa.insert(_SIGN_INS).values(row))
        return token

    def find(self, token: str) -> SignInRecord | None:
        """The sign-in of a valid token, which it extends; None when there is none."""
        digest, now = digest_of(token), self._now()
        record = self._read(digest)
        if record is None or record.expires_at <= now:
            return None
        extended = min(now + IDLE_LIMIT, record.created_at + AGE_LIMIT)
        if extended - record.expires_at >= EXTEND_EVERY:
            row = _SIGN_INS.c.token_sha256 == digest
            with contextlib.suppress(DatabaseAway):  # a full disk must not end a sign-in; it stays as it is
                self._write(sa.update(_SIGN_INS).where(row).values(expires_at=extended))
        return record

    def end(self, token: str) -> None:
        self._write(sa.delete(_SIGN_INS).where(_SIGN_INS.c.token_sha256 == digest_of(token)))

    def _read(self, digest: str) -> SignInRecord | None:
        query = sa.select(_SIGN_INS).where(_SIGN_INS.c.token_sha256 == digest)
        with self._log.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        return SignInRecord(
            row["name"], row["password_fingerprint"], as_utc(row["created_at"]), as_utc(row["expires_at"])
        )

    def _write(self, *statements: sa.Executable) -> None:
        with self._log.writing() as connection:
            for statement in statements:
                connection.execute(statement)


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
