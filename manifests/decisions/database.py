"""The database under the decision log: opening it, and transactions in which writers take turns.

SQLite is opened with WAL and synchronous=FULL where its version may be trusted with that (`wal_is_safe`), else with a
rollback journal and synchronous=EXTRA. PostgreSQL's writers take an advisory lock.
"""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from manifests.errors import UserError, install_extra

_LOCK_TIMEOUT_SECONDS = 10
_IMMEDIATE = "maskfoundry_writing"  # execution option of a writer's connection
_WRITER_LOCK = 0x6D61736B  # "mask", the advisory lock's number in a PostgreSQL database


def wal_is_safe(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> bool:
    """Whether several connections may write one database in WAL mode with this version of SQLite.

    From 3.7.0 on a checkpoint that resets the log can lose another connection's commit, or corrupt the file; mended in
    3.51.3, 3.50.7 and 3.44.6 (https://sqlite.org/wal.html).
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


class DatabaseAway(UserError):
    """The database refuses or can't be reached now; the same call may work later."""


def open_engine(url: str) -> sa.Engine:
    """Create the engine of a database URL without connecting; create the directory of a SQLite file."""
    parsed = sa.make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")  # the driver of the extra "postgres"
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed)
    if parsed.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _make_durable)
        sa.event.listen(engine, "begin", _begin)
    return engine


def has_password(url: str) -> bool:
    """Whether a database's URL holds a password, before the `@` or in its query; False for what is no URL."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return False
    return parsed.password is not None or any(name.lower() == "password" for name in parsed.query)


def without_passwords(text: str) -> str:
    """The text with `***` for passwords of URLs in it, before an `@` or in a query."""
    text = re.sub(r"(://[^:/@\s]*):\S*@", r"\1:***@", text)
    return re.sub(r"(?i)(password=)[^&\s]*", r"\1***", text)


def refused(url: str, error: Exception) -> UserError:
    """The error for a database that can't be opened; the URL's password is masked."""
    if url.count("@") > 1:
        reason = "more than one @; one in a password is written %40"  # the driver's message would hold a part of it
    elif isinstance(error, ValueError):
        reason = "a port or name that can't be read"
    else:
        reason = without_passwords(str(error.__cause__ or error).splitlines()[0])
    masked_url = without_passwords(url)
    remedy = "check --database-url"
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        remedy = f"install its driver: {install_extra('postgres')}"
    return UserError(f"expected a database at {masked_url}, found: {reason}; {remedy}")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Begin a transaction that no other writer's overlaps: rows read in it are still current when it commits.

    DatabaseAway when the database refuses; the transaction is rolled back.
    """
    connect = engine.connect().execution_options
    with _refusals("write to"), connect(**{_IMMEDIATE: True}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER_LOCK)))
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection for reading; DatabaseAway when the database refuses."""
    with _refusals("read from"), engine.connect() as connection:
        yield connection


def insert_ignoring_known(table: sa.Table, dialect: str) -> sa.Insert:
    """An insert that skips rows whose decision_id is in the table; UserError for other databases."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table).on_conflict_do_nothing(index_elements=["decision_id"])
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table).on_conflict_do_nothing(index_elements=["decision_id"])
    raise UserError(f"expected a sqlite or postgresql database URL, found {dialect}")


def describe(engine: sa.Engine) -> str:
    """The kind of database and how it keeps what is committed, in a few words."""
    if engine.dialect.name != "sqlite":
        return engine.dialect.name
    with reading(engine) as connection:
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    kept = "write-ahead log" if journal == "wal" else "rollback journal"
    return f"SQLite {sqlite3.sqlite_version}, {kept}"


def integrity_problems(engine: sa.Engine) -> list[str]:
    """What SQLite's own check finds wrong with the file; empty for a sound one, and for other databases."""
    if engine.dialect.name != "sqlite":
        return []
    try:
        with reading(engine) as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    except sa.exc.DatabaseError as error:  # so damaged that the check itself ends
        return [str(error.orig)]
    return [line for line in found if line != "ok"]


def add_missing_columns(connection: sa.Connection, table: sa.Table) -> None:
    """Add the columns that a table of an earlier release lacks."""
    existing = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in existing:
            definition = sa.schema.CreateColumn(column).compile(connection)
            connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))


@contextmanager
def _refusals(purpose: str) -> Iterator[None]:
    """DatabaseAway, without the statement and its values, when the database refuses."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DatabaseAway(f"expected to {purpose} the database, found: {reason}; try again") from error


def _begin(connection: sa.Connection) -> None:
    """Begin a writer's SQLite transaction as IMMEDIATE: a read transaction can't be upgraded while another commits."""
    immediate = connection.get_execution_options().get(_IMMEDIATE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _make_durable(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_LOCK_TIMEOUT_SECONDS * 1000}")
    is_wal = wal_is_safe()
    _set_journal(cursor, "WAL" if is_wal else "TRUNCATE")
    cursor.execute(f"PRAGMA synchronous = {'FULL' if is_wal else 'EXTRA'}")
    cursor.close()


def _set_journal(cursor: sqlite3.Cursor, mode: str) -> None:
    """Switch the journal, with retries: SQLite refuses some simultaneous openers of a database without waiting."""
    deadline = time.monotonic() + _LOCK_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute(f"PRAGMA journal_mode = {mode}")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
