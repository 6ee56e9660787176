"""The limit on a request's body, and formulas in the decisions' CSV."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from manifests.decisions.decision import Decision
from review_ui.app import review_app
from review_ui.web.body_limit import BodyLimit
from review_ui.web.log_files import as_csv, decisions_table

ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture
def client(six_waiting: Path) -> Iterator[TestClient]:
    """The whole app below a limit of 1 MiB, which stands for the real one."""
    app = review_app(six_waiting / "manifests")
    with TestClient(BodyLimit(app, 1 << 20), base_url=ADDRESS) as client:
        yield client


def body(size: int) -> bytes:
    return json.dumps({"decisions": ["x" * size]}).encode()


def test_a_body_that_announces_too_much_is_refused_unread(client: TestClient) -> None:
    answer = client.post("/api/decisions", content=body(1 << 20), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("expected a request of at most 1 MiB")


def test_a_body_that_announces_nothing_is_cut_off(client: TestClient) -> None:
    chunks = iter([body(600_000), b" " * 600_000])
    answer = client.post("/api/decisions", content=chunks, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("expected a request of at most 1 MiB")


def test_a_body_below_the_limit_passes(client: TestClient) -> None:
    answer = client.post("/api/decisions", content=body(900_000), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert "expected a decision as a JSON object" in answer.json()["refused"][0]["error"]


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx"])
def test_a_spreadsheet_sees_no_formula_in_a_reason(text: str) -> None:
    decision = Decision(
        str(uuid.uuid4()), "a", "b", "reject", "ann", datetime(2026, 1, 1, tzinfo=UTC), reason=text, note="1 = 1"
    )
    csv = as_csv(decisions_table([decision])).decode()
    assert f'"\'{text}"' in csv
    assert '"1 = 1"' in csv
