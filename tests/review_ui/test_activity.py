"""The activity log: what is recorded, by whom, from where; what never is; the page, the file and the command."""

import io
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.csv as pa_csv
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from small_lineages import Lineage

from manifests.__main__ import main as manifests_command
from manifests.decisions.activity import HOST, Activity, ActivityLog, Actor
from manifests.decisions.database import DatabaseAway
from manifests.decisions.log import DecisionLog
from manifests.errors import UserError
from review_ui.__main__ import main as review_command
from review_ui.app import review_app
from review_ui.auth.api_token import new_token
from review_ui.auth.command import main as users_command
from review_ui.auth.password import hash_password
from review_ui.auth.user_changes import record_user_changes
from review_ui.auth.users import User, read_users, write_users
from review_ui.web.log_files import activity_table, as_csv

ADDRESS = "http://127.0.0.1:7860"
PASSWORD = "correct horse"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN = Actor("ann", "10.0.0.7")


@pytest.fixture
def root(tmp_path: Path, six_waiting: Path) -> Path:
    """Six masks waiting, and the users ann, a lead, and bo."""
    shutil.copytree(six_waiting, tmp_path, dirs_exist_ok=True)
    password = hash_password(PASSWORD, log2_n=15)
    write_users(tmp_path / "users.toml", {"ann": User("ann", "lead", password), "bo": User("bo", "reviewer", password)})
    return tmp_path


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    app = review_app(root / "manifests", users=root / "users.toml")
    with TestClient(app, base_url=ADDRESS, client=("10.0.0.7", 5000), follow_redirects=False) as client:
        yield client


@pytest.fixture
def activity(root: Path, log: DecisionLog) -> ActivityLog:
    return ActivityLog(log)


def sign_in(client: TestClient, name: str, password: str = PASSWORD) -> int:
    headers = {"Origin": ADDRESS}
    return client.post("/sign-in", data={"name": name, "password": password}, headers=headers).status_code


def rows(activity: ActivityLog) -> list[tuple[str, str, str, str]]:
    """(user, address, event, about), oldest first."""
    return [(row.actor, row.address, row.event, row.detail) for row in reversed(activity.newest())]


def test_sign_ins_refusals_and_sign_outs_are_recorded_with_their_address(
    client: TestClient, activity: ActivityLog
) -> None:
    assert sign_in(client, "bo", "wrong password") == 401
    assert sign_in(client, "hunter2 is my password") == 401
    assert sign_in(client, "bo") == 303
    client.post("/sign-out", headers={"Origin": ADDRESS})
    assert rows(activity)[2:] == [
        ("bo", "10.0.0.7", "sign_in_refused", ""),
        ("unknown name", "10.0.0.7", "sign_in_refused", ""),
        ("bo", "10.0.0.7", "sign_in", ""),
        ("bo", "10.0.0.7", "sign_out", ""),
    ]


def test_a_leads_publish_and_downloads_are_recorded(client: TestClient, activity: ActivityLog) -> None:
    sign_in(client, "ann")
    sample = client.get("/api/next?n=1").json()["samples"][0]
    decision = {name: sample[name] for name in ("sample_id", "mask_sha256")} | {
        "decision_id": "8e2f6d52-53f5-4f0e-9a49-5b7b1c9a8d10",
        "verdict": "accept",
    }
    client.post("/api/decisions", json={"decisions": [decision]}, headers={"Origin": ADDRESS})
    assert client.post("/api/publish", headers={"Origin": ADDRESS}).json()["version"] == 2
    files = ("decisions.parquet", "decisions.csv", "activity.csv")
    answers = [client.get(f"/api/{name}") for name in files]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert rows(activity)[3:] == [
        ("ann", "10.0.0.7", "publish", "v2"),
        *(("ann", "10.0.0.7", "download", name) for name in files),
    ]
    table = pa_csv.read_csv(io.BytesIO(answers[2].content))
    assert table.column_names == ["at", "actor", "address", "event", "detail"]
    assert table["event"].to_pylist()[:2] == ["download", "download"]  # newest first; its own row is in it


def test_a_reviewer_gets_no_activity(client: TestClient, activity: ActivityLog) -> None:
    sign_in(client, "bo")
    assert client.get("/api/activity.csv").status_code == 403
    assert [event for _, _, event, _ in rows(activity)] == ["user_added", "user_added", "sign_in"]


def test_changes_of_the_users_file_are_recorded_once_while_servers_run(
    client: TestClient, root: Path, activity: ActivityLog
) -> None:
    file = ["--users", str(root / "users.toml")]
    other = TestClient(review_app(root / "manifests", users=root / "users.toml"), base_url=ADDRESS)
    users_command(["token", "bo", "nightly", *file])
    for each in (client, other):
        each.get("/api/me", headers={"Authorization": "Bearer none"})
    users_command(["revoke", "bo", "nightly", *file])
    users_command(["remove", "bo", *file])
    users = read_users(root / "users.toml")
    write_users(root / "users.toml", users | {"cy": User("cy", "reviewer", users["ann"].password)})
    for each in (client, other):
        each.get("/api/me", headers={"Authorization": "Bearer none"})
    assert rows(activity) == [
        ("users file", HOST, event, detail)
        for event, detail in (
            ("user_added", "ann (lead)"),
            ("user_added", "bo (reviewer)"),
            ("token_made", "bo: nightly (read)"),
            ("user_removed", "bo"),
            ("user_added", "cy (reviewer)"),
        )
    ]


def test_changes_while_no_server_ran_are_recorded_at_the_next_start(root: Path, log: DecisionLog) -> None:
    activity = ActivityLog(log)
    users = read_users(root / "users.toml")
    record_user_changes(users, log, activity)
    _, first = new_token("ci", "read", NOON)
    second = replace(first, scope="all")  # by hand, in the file
    password = hash_password("another password", log2_n=15)
    record_user_changes({"ann": User("ann", "lead", users["ann"].password, {"ci": first})}, log, activity)
    record_user_changes({"ann": User("ann", "reviewer", password, {"ci": second})}, log, activity)
    assert [(event, detail) for _, _, event, detail in rows(activity)][2:] == [
        ("user_removed", "bo"),
        ("token_made", "ann: ci (read)"),
        ("role_changed", "ann: lead -> reviewer"),
        ("password_changed", "ann"),
        ("token_revoked", "ann: ci (read)"),
        ("token_made", "ann: ci (all)"),
    ]


def test_commands_of_the_host_are_recorded(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    lineage.generate(1, 2, 3)
    lineage.judge({1: "accept"})
    lineage.publish()
    uri = lineage.row(1)["source_uri"]
    manifests_command(["forget", "--manifests", str(tmp_path / "manifests"), "--source-uri", uri, "--yes"])
    with closing(lineage.log()) as log:
        recorded = rows(ActivityLog(log))
    assert [row[1:] for row in recorded] == [(HOST, "publish", "v2"), (HOST, "forget", "1 sample(s), v3")]
    assert uri not in str(recorded)


def test_no_row_is_changed_and_their_times_are_utc(log: DecisionLog) -> None:
    activity = ActivityLog(log, now=lambda: NOON)
    activity.record(ANN, "download", "decisions.csv")
    assert activity.newest() == [Activity(NOON, "ann", "10.0.0.7", "download", "decisions.csv")]
    assert activity.newest(1) == activity.newest()


def test_retention_ends_by_the_command_which_is_recorded(
    root: Path, log: DecisionLog, capsys: pytest.CaptureFixture[str]
) -> None:
    ActivityLog(log, now=lambda: NOON - timedelta(days=40)).record(ANN, "sign_in")
    ActivityLog(log, now=lambda: NOON).record(ANN, "sign_out")
    options = ["activity", "--manifests", str(root / "manifests")]
    review_command([*options, "--delete-before", "2026-02-28"])
    review_command(options)
    deleted, kept, record = capsys.readouterr().out.splitlines()
    assert (deleted, kept) == ("deleted 1 row(s)", "2026-03-01 12:00:00\tann\t10.0.0.7\tsign_out\t")
    assert record.endswith("\tactivity_deleted\t1 row(s) before 2026-02-28")


def test_the_command_refuses_where_there_is_no_log(root: Path) -> None:
    with pytest.raises(UserError, match=r"expected a decision log under .*, found none; check --data"):
        review_command(["activity", "--manifests", str(root / "manifests")])
    with pytest.raises(SystemExit):
        review_command(["activity", "--delete-before", "yesterday"])


def test_a_formula_is_text_in_the_file() -> None:
    table = activity_table([Activity(NOON, "=cmd|x", "10.0.0.7", "download", "+1")])
    assert as_csv(table).splitlines()[1].decode().split(",")[1:] == ['"\'=cmd|x"', '"10.0.0.7"', '"download"', '"\'+1"']


def test_what_has_happened_already_is_no_error_where_the_database_refuses(
    log: DecisionLog, caplog: pytest.LogCaptureFixture
) -> None:
    with log.writing() as connection:
        connection.execute(sa.text("CREATE TABLE activity (seq INTEGER)"))
    ActivityLog(log).record_done(ANN, "publish", "v2")
    assert "the activity log lacks publish of ann (v2)" in caplog.text
    with pytest.raises(DatabaseAway):
        ActivityLog(log).record(ANN, "download")
