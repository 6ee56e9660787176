"""No secret is where others can read it: console, processes, answers, database, activity log, webhooks."""

import base64
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import patient_http
import pytest
import sqlalchemy as sa
from review_browser import CommandServer
from small_lineages import Lineage
from webhook_receiver import Receiver, receiver

from manifests.decisions.database import open_engine
from review_ui.auth.api_token import new_token
from review_ui.auth.command import main as users_command
from review_ui.auth.password import hash_password
from review_ui.auth.users import User, write_users

DATABASE_PASSWORD = "database-pa55word"
USER_PASSWORD = "user-pa55word"
WRONG_PASSWORD = "mistyped-pa55word"
WEBHOOK_SECRET = "webhook-pa55word-0123"
ENCODED = base64.b64encode(WEBHOOK_SECRET.encode()).decode()
HOOKS = """
[ci]
url = "{url}/hooks/path-pa55word"
events = ["publish"]
secret_env = "HOOK_SECRET"
"""


@pytest.fixture
def database(postgres_url: str) -> Iterator[sa.Engine]:
    """A database that asks its user `shy` for a password."""
    admin = open_engine(postgres_url)
    with admin.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE shy LOGIN SUPERUSER PASSWORD '{DATABASE_PASSWORD}'")
        rules = Path(connection.exec_driver_sql("SHOW hba_file").scalar_one())
    before = rules.read_text()
    rules.write_text(f"host all shy 127.0.0.1/32 scram-sha-256\n{before}")
    with admin.begin() as connection:
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    yield admin
    rules.write_text(before)
    with admin.begin() as connection:
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    admin.dispose()


@pytest.fixture
def hooks() -> Iterator[Receiver]:
    with receiver() as hooks:
        yield hooks


def command_lines() -> str:
    """The command line of every process of this machine, as `ps` prints them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return "\n".join(lines)


def stored(engine: sa.Engine) -> str:
    """Every row of every table."""
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        assert {"activity", "sign_ins", "users_seen", "decision_events"} <= set(names)
        return "\n".join(str(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()) for name in names)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc, where Linux lists the processes")
def test_no_secret_is_printed_stored_or_listed(
    tmp_path: Path,
    database: sa.Engine,
    hooks: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lineage = Lineage(tmp_path)
    lineage.generate(1, 2)
    text, token = new_token("ci", "all", datetime.now(UTC) + timedelta(days=1))
    user = User("ann", "lead", hash_password(USER_PASSWORD, log2_n=15), {"ci": token})
    write_users(tmp_path / "users.toml", {"ann": user})
    (tmp_path / "webhooks.toml").write_text(HOOKS.format(url=hooks.url))
    monkeypatch.setenv("PGPASSWORD", DATABASE_PASSWORD)
    monkeypatch.setenv("HOOK_SECRET", WEBHOOK_SECRET)
    url = database.url.set(drivername="postgresql", username="shy").render_as_string()
    hooks.statuses = [500]

    options = ("--database-url", url, "--users", tmp_path / "users.toml", "--webhooks", tmp_path / "webhooks.toml")
    server = CommandServer(tmp_path, 0, *map(str, options), errors=tmp_path / "errors.txt")
    seen = [server.announcement]
    bearer = {"Authorization": f"Bearer {text}"}
    with patient_http.Client(base_url=server.url) as client:
        answers = [
            client.post("/sign-in", data={"name": "ann", "password": WRONG_PASSWORD}),
            client.post("/sign-in", data={"name": WRONG_PASSWORD, "password": WRONG_PASSWORD}),
            client.get("/api/me", headers={"Authorization": f"Bearer {WRONG_PASSWORD}"}),
            client.get("/api/me", headers=bearer),
        ]
        sample = client.get("/api/v1/next", headers=bearer).json()["samples"][0]
        decision = {name: sample[name] for name in ("sample_id", "mask_sha256")} | {
            "decision_id": "8e2f6d52-53f5-4f0e-9a49-5b7b1c9a8d10",
            "verdict": "accept",
        }
        answers += [
            client.post("/api/v1/decisions", headers=bearer, json={"decisions": [decision]}),
            client.post("/api/v1/publish", headers=bearer),
            client.post("/sign-in", data={"name": "ann", "password": USER_PASSWORD}),
            client.get("/lead", headers={"Accept": "text/html"}),
            client.get("/api/activity.csv"),
            client.get("/api/openapi.json"),
        ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 200, 200, 200, 303, 200, 200, 200]
    requests = [hooks.next(), hooks.next()]  # the first one fails
    seen += [answer.text for answer in answers] + [command_lines(), stored(database)]
    seen += [str(request.headers) + request.body.decode() for request in requests]
    assert f"{os.sep}users.toml" in seen[-4]  # the list of processes has the server's
    server.stop()
    users_command(["list", "--users", str(tmp_path / "users.toml")])
    seen += [(tmp_path / "errors.txt").read_text(), (tmp_path / "users.toml").read_text(), *capfd.readouterr()]
    for secret in (DATABASE_PASSWORD, USER_PASSWORD, WRONG_PASSWORD, WEBHOOK_SECRET, ENCODED, text, "path-pa55word"):
        assert not [part[:300] for part in seen if secret in part], secret
