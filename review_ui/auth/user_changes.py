"""Changes of the users file, for the activity log: the file beside what a table of the database last saw in it.

The server looks when it starts and whenever it reads the file again, so changes by hand and by the `users` command are
recorded alike, those made while no server ran at the next start. Servers of one queue record each change once.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from manifests.decisions.activity import HOST, ActivityLog, Actor, Entry
from manifests.decisions.log import DecisionLog
from review_ui.auth.users import User, Users

USERS_FILE = Actor("users file", HOST)  # who edited it is known to the machine alone

_SEEN = sa.Table(
    "users_seen",
    sa.MetaData(),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_fingerprint", sa.String(32), nullable=False),
    sa.Column("tokens", sa.Text, nullable=False),  # JSON: label -> scope, end, first digits of its digest
)
_TOKEN_DIGITS = 12  # they tell a new token of the same label from the old one, and are too few to find a token by


@dataclass(frozen=True, slots=True)
class SeenUser:
    """A user as the table holds it; `tokens` maps labels to scope, end and fingerprint."""

    role: str
    password_fingerprint: str
    tokens: Mapping[str, str]


def record_user_changes(users: Users, log: DecisionLog, activity: ActivityLog) -> None:
    """Record how `users` differ from those seen last, and remember them. Raises DatabaseAway."""
    now = {name: _seen(user) for name, user in users.items()}
    with log.writing() as connection:
        connection.execute(sa.schema.CreateTable(_SEEN, if_not_exists=True))
        rows = connection.execute(sa.select(_SEEN)).mappings().all()
        before = {
            row["name"]: SeenUser(row["role"], row["password_fingerprint"], json.loads(row["tokens"])) for row in rows
        }
        if now == before:
            return
        activity.record_in(connection, USERS_FILE, list(_changes(before, now)))
        connection.execute(sa.delete(_SEEN))
        for name, user in now.items():
            values = {"name": name, "role": user.role, "password_fingerprint": user.password_fingerprint}
            connection.execute(sa.insert(_SEEN).values(tokens=json.dumps(user.tokens), **values))


def _changes(before: Mapping[str, SeenUser], now: Mapping[str, SeenUser]) -> Iterator[Entry]:
    for name in sorted(before.keys() - now.keys()):
        yield "user_removed", name
    for name, user in now.items():
        old = before.get(name)
        if old is None:
            yield "user_added", f"{name} ({user.role})"
        elif old.role != user.role:
            yield "role_changed", f"{name}: {old.role} -> {user.role}"
        if old and old.password_fingerprint != user.password_fingerprint:
            yield "password_changed", name
        had = old.tokens if old else {}
        for label, token in sorted(had.items() - user.tokens.items()):
            yield "token_revoked", f"{name}: {label} ({_scope(token)})"
        for label, token in sorted(user.tokens.items() - had.items()):
            yield "token_made", f"{name}: {label} ({_scope(token)})"


def _seen(user: User) -> SeenUser:
    tokens = {
        label: f"{token.scope} {token.expires_at:%Y-%m-%d} {token.sha256[:_TOKEN_DIGITS]}"
        for label, token in user.tokens.items()
    }
    return SeenUser(user.role, user.password.fingerprint, tokens)


def _scope(token: str) -> str:
    return token.partition(" ")[0]
