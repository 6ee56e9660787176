"""The users file: one TOML table per person, with the role and the password's hash. Reads, writes and follows it.

    [ann]
    role = "lead"
    password = "scrypt$17$8$1$...$..."

    [ann.tokens.nightly]
    sha256 = "..."
    scope = "read"
    expires_at = 2027-03-01T00:00:00Z

It may be edited by hand. `write_users` writes it whole or not at all, readable by its owner only.
"""

import json
import logging
import os
import re
import threading
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from review_ui.auth.api_token import SCOPES, ApiToken
from review_ui.auth.password import PasswordHash, read_hash
from review_ui.reviewer import Role

ROLES: tuple[Role, ...] = ("reviewer", "lead")
NAME_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")

logger = logging.getLogger(__name__)
_HEADER = "# Who may sign in to the review page; python -m review_ui users --help. Comments are not kept.\n"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")  # TOML; a name with a dot must be quoted


@dataclass(frozen=True, slots=True)
class User:
    name: str
    role: Role
    password: PasswordHash
    tokens: Mapping[str, ApiToken] = field(default_factory=dict)  # by label


Users = Mapping[str, User]


class UsersFile:
    """The users of a file, which is read again when it has changed. Safe to use from threads."""

    def __init__(self, path: Path) -> None:
        """Read the file; UserError when it is missing, wrong or empty."""
        self._path = path
        self._lock = threading.Lock()
        self._signature = _signature(path)
        self._users = read_users(path)
        if not self._users:
            raise UserError(f"expected users in {path}, found none; add one with python -m review_ui users add NAME")

    def users(self) -> Users:
        """The file's users; the last readable ones while it can't be read: a slip must not lock out the team."""
        signature = _signature(self._path)
        if signature == self._signature:
            return self._users
        with self._lock:
            if signature != self._signature:
                self._signature = signature
                try:
                    self._users = read_users(self._path)
                except UserError as error:
                    logger.warning("%s; the users from before still hold", error)
            return self._users


def read_users(path: Path) -> dict[str, User]:
    """Read the users by name, in the file's order; UserError, which names file and user, when it is wrong."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"expected a users file at {path}, found none; make one with python -m review_ui users add NAME"
        ) from error
    except OSError as error:
        raise UserError(f"expected to read {path}, found: {error.strerror}; check its owner and mode") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise UserError(f"expected TOML in {path}, found: {error}") from error
    return {name: _user(path, name, table) for name, table in tables.items()}


def write_users(path: Path, users: Users) -> None:
    """Replace the file by these users, mode 0600."""
    tables = (table for user in users.values() for table in _tables(user))
    mask = os.umask(0o077)  # the temporary file is private too
    try:
        write_replace(path, (_HEADER + "".join(tables)).encode())
    finally:
        os.umask(mask)


def _tables(user: User) -> Iterator[str]:
    yield f"\n[{_key(user.name)}]\nrole = {json.dumps(user.role)}\npassword = {json.dumps(str(user.password))}\n"
    for token in user.tokens.values():
        yield (
            f"\n[{_key(user.name)}.tokens.{_key(token.label)}]\nsha256 = {json.dumps(token.sha256)}\n"
            f"scope = {json.dumps(token.scope)}\nexpires_at = {token.expires_at.astimezone(UTC).isoformat()}\n"
        )


def _user(path: Path, name: str, table: object) -> User:
    problem = f"{path}, user {ascii(name)[:80]}: "
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(f"{problem}expected a name of at most 64 letters, digits, '.', '_' or '-', found another")
    if not isinstance(table, dict) or table.keys() - {"tokens"} != {"role", "password"}:
        keys = ", ".join(ascii(key)[:40] for key in table) if isinstance(table, dict) else "no table"
        raise UserError(f"{problem}expected role and password in a table, found {keys or 'an empty one'}")
    if table["role"] not in ROLES:
        raise UserError(f"{problem}expected a role out of {', '.join(ROLES)}, found {ascii(table['role'])[:60]}")
    try:
        password = read_hash(table["password"])
    except ValueError as error:
        raise UserError(f"{problem}{error}; set a new one with python -m review_ui users password {name}") from error
    tokens = table.get("tokens", {})
    if not isinstance(tokens, dict):
        raise UserError(f"{problem}expected tokens as tables, found {ascii(tokens)[:60]}")
    return User(name, table["role"], password, {label: _token(problem, label, each) for label, each in tokens.items()})


def _token(problem: str, label: str, table: object) -> ApiToken:
    if not NAME_PATTERN.fullmatch(label) or not isinstance(table, dict):
        raise UserError(f"{problem}expected a table for each token, found {ascii(label)[:80]}")
    digest, scope, expires_at = (table.get(key) for key in ("sha256", "scope", "expires_at"))
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise UserError(f"{problem}expected 64 hex digits as sha256 of token {label}, found {ascii(digest)[:80]}")
    if scope not in SCOPES:
        raise UserError(f"{problem}expected a scope of token {label} out of {', '.join(SCOPES)}, found {scope!a}")
    if not isinstance(expires_at, datetime):
        raise UserError(f"{problem}expected a time as expires_at of token {label}, found {ascii(expires_at)[:80]}")
    return ApiToken(label, digest, scope, expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC))


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name)  # ASCII only, where JSON and TOML quote alike


def _signature(path: Path) -> tuple[int, ...]:
    """Time, size and inode, which change with the content; empty when there is no file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
