"""API tokens, the version in the API's paths, its OpenAPI document, and the health check."""

import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from repository import ROOT

from manifests.errors import UserError
from review_ui.app import review_app
from review_ui.auth.api_token import Scope, new_token
from review_ui.auth.command import main as users_command
from review_ui.auth.password import hash_password
from review_ui.auth.users import User, read_users, write_users
from review_ui.web.review_page import REASONS

ADDRESS = "http://127.0.0.1:7860"
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


@pytest.fixture
def root(tmp_path: Path, six_waiting: Path) -> Path:
    """Six masks waiting, and the users ann, a lead, and bo."""
    shutil.copytree(six_waiting, tmp_path, dirs_exist_ok=True)
    password = hash_password("correct horse", log2_n=15)
    write_users(tmp_path / "users.toml", {"ann": User("ann", "lead", password), "bo": User("bo", "reviewer", password)})
    return tmp_path


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    with TestClient(review_app(root / "manifests", users=root / "users.toml"), base_url=ADDRESS) as client:
        yield client


def token(root: Path, name: str, scope: Scope, expires_at: datetime = LATER) -> dict[str, str]:
    """The header of a new token."""
    users = read_users(root / "users.toml")
    text, entry = new_token(scope, scope, expires_at)
    users[name] = User(name, users[name].role, users[name].password, {**users[name].tokens, scope: entry})
    write_users(root / "users.toml", users)
    return {"Authorization": f"Bearer {text}"}


def verdict(client: TestClient, headers: dict[str, str]) -> dict[str, object]:
    sample = client.get("/api/v1/next?n=1", headers=headers).json()["samples"][0]
    names = ("sample_id", "mask_sha256")
    return {"decision_id": str(uuid.uuid4()), "verdict": "accept"} | {name: sample[name] for name in names}


def test_a_token_reviews_as_its_user(client: TestClient, root: Path) -> None:
    headers = token(root, "bo", "review")
    assert client.get("/api/v1/me", headers=headers).json()["name"] == "bo"
    decision = verdict(client, headers)
    answer = client.post("/api/v1/decisions", json={"decisions": [decision]}, headers=headers)
    assert answer.json() == {"stored": [decision["decision_id"]], "refused": []}
    history = client.get("/api/history", headers=headers).json()["decisions"]
    assert [entry["decision_id"] for entry in history] == [decision["decision_id"]]


def test_a_token_that_reads_changes_nothing(client: TestClient, root: Path) -> None:
    headers = token(root, "ann", "read")
    assert client.get("/api/v1/decisions.csv", headers=headers).status_code == 200
    changing = (("GET", "/api/next"), ("GET", "/api/v1/next"), ("POST", "/api/decisions"), ("POST", "/api/publish"))
    for method, path in changing:
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert "expected a token with the scope review or all" in answer.json()["error"]


def test_a_leads_token_is_a_leads_only_with_the_scope_all(client: TestClient, root: Path) -> None:
    review, everything = token(root, "ann", "review"), token(root, "ann", "all")
    assert client.get("/api/decisions.csv", headers=review).status_code == 403
    assert client.get("/api/decisions.csv", headers=everything).status_code == 200
    assert client.get("/api/decisions.csv", headers=token(root, "bo", "all")).status_code == 403


@pytest.mark.parametrize("path", ["/", "/lead", "/lead/", "/app/", "/masks", "/viewer/review.js", "/sign-out"])
def test_a_token_opens_no_page(client: TestClient, root: Path, path: str) -> None:
    answer = client.get(path, headers=token(root, "ann", "all"))
    assert (answer.status_code, "expected a route of the API" in answer.json()["error"]) == (403, True)


@pytest.mark.parametrize("header", ["Bearer x", "Bearer ", "bearer mf_none", "Bearer é"])
def test_an_unknown_token_is_401_even_beside_a_sign_in(client: TestClient, header: str) -> None:
    client.post("/sign-in", data={"name": "bo", "password": "correct horse"}, headers={"Origin": ADDRESS})
    assert client.get("/api/me").status_code == 200
    answer = client.get("/api/me", headers={"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_ends_with_its_time_its_revocation_and_its_user(client: TestClient, root: Path) -> None:
    old = token(root, "bo", "read", datetime.now(UTC) - timedelta(seconds=1))
    assert client.get("/api/me", headers=old).status_code == 401
    headers = token(root, "bo", "review")
    assert client.get("/api/me", headers=headers).status_code == 200
    users_command(["revoke", "bo", "review", "--users", str(root / "users.toml")])
    assert client.get("/api/me", headers=headers).status_code == 401
    headers = token(root, "bo", "all")
    users_command(["remove", "bo", "--users", str(root / "users.toml")])
    assert client.get("/api/me", headers=headers).status_code == 401


def test_the_command_shows_a_token_once_and_keeps_its_digest(
    client: TestClient, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ["--users", str(root / "users.toml")]
    users_command(["token", "bo", "nightly", "--scope", "review", "--days", "7", *file])
    text = capsys.readouterr().out.splitlines()[-1]
    assert client.get("/api/me", headers={"Authorization": f"Bearer {text}"}).json()["name"] == "bo"
    assert text not in (root / "users.toml").read_text()
    users_command(["list", *file])
    assert "bo\treviewer\ttoken nightly\treview\tuntil" in capsys.readouterr().out
    with pytest.raises(UserError, match="expected a label that bo has no token for, found nightly"):
        users_command(["token", "bo", "nightly", *file])
    with pytest.raises(UserError, match="expected a token of bo, found other; bo has nightly"):
        users_command(["revoke", "bo", "other", *file])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('scope = "write"', "expected a scope of token ci out of read, review, all"),
        ('sha256 = "12"', "expected 64 hex digits as sha256 of token ci"),
        ('expires_at = "soon"', "expected a time as expires_at of token ci"),
    ],
)
def test_a_wrong_entry_of_the_users_file_is_one_clear_line(root: Path, line: str, message: str) -> None:
    path = root / "users.toml"
    entry = {"sha256": f'"{"0" * 64}"', "scope": '"read"', "expires_at": "2099-01-01T00:00:00Z"}
    name, _, value = line.partition(" = ")
    entry[name] = value
    lines = "".join(f"{key} = {value}\n" for key, value in entry.items())
    path.write_text(f"{path.read_text()}\n[bo.tokens.ci]\n{lines}")
    with pytest.raises(UserError, match=message):
        read_users(path)


def test_the_health_check_answers_without_a_sign_in_and_tells_nothing(client: TestClient, root: Path) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert client.get("/healthz", headers=token(root, "bo", "read")).json() == {"status": "ok", "version": 1}
    assert client.post("/healthz").status_code == 401
    assert client.get("/healthz/x").status_code == 401


def test_the_document_names_every_route_with_its_version(client: TestClient, root: Path) -> None:
    assert client.get("/api/openapi.json").status_code == 401
    served = client.get("/api/v1/openapi.json", headers=token(root, "bo", "read")).json()
    command = [sys.executable, "-m", "review_ui", "openapi"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == served
    assert served["openapi"].startswith("3.1")
    paths = served["paths"]
    assert {"/api/v1/next", "/api/v1/decisions", "/api/v1/undo", "/api/v1/publish", "/healthz"} <= paths.keys()
    assert not any(path.startswith("/api/") and not path.startswith("/api/v1/") for path in paths)
    assert "/masks" not in paths
    summaries = [operation["summary"] for operations in paths.values() for operation in operations.values()]
    assert all(re.fullmatch(r"[A-Z].*\.", summary) for summary in summaries)  # a sentence, no function's name
    assert len(set(summaries)) == len(summaries)
    reason = served["components"]["schemas"]["Decision"]["properties"]["reason"]
    assert all(word in reason["description"] for word in REASONS)


def test_other_versions_are_no_routes(client: TestClient, root: Path) -> None:
    answer = client.get("/api/v2/next", headers=token(root, "bo", "all"))
    assert answer.status_code == 404
