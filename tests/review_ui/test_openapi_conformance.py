"""Generated requests to every operation of the OpenAPI document, as a lead and as a reviewer, against a real server.

No answer is a 5xx, and each conforms to the document: status, content type, schema.
"""

import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import patient_http
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_run import live_run
from review_browser import Server

from review_ui.auth.api_token import new_token
from review_ui.auth.password import hash_password
from review_ui.auth.users import User, write_users

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis, which is not installed: pip install it")

EXAMPLES = 12  # of each operation and user
ROLES = {"ann": "lead", "bo": "reviewer"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, six_waiting: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server of six masks, two of them judged, and a token of each user with all that its role allows."""
    root = tmp_path_factory.mktemp("conformance")
    shutil.copytree(six_waiting, root, dirs_exist_ok=True)
    password = hash_password("correct horse", log2_n=15)
    made = {name: new_token("test", "all", datetime.now(UTC) + timedelta(days=1)) for name in ROLES}
    write_users(
        root / "users.toml",
        {name: User(name, ROLES[name], password, {"test": entry}) for name, (_, entry) in made.items()},
    )
    server = Server(root, 0, "--users", str(root / "users.toml"), errors=root / "errors.txt")
    with live_run(root / "manifests", 120, 900):  # the answers say so
        yield server, {name: text for name, (text, _) in made.items()}
    server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", ROLES)
def test_no_generated_request_breaks_the_server_or_the_document(
    served: tuple[Server, dict[str, str]], name: str
) -> None:
    server, tokens = served
    headers = {"Authorization": f"Bearer {tokens[name]}"}
    with patient_http.Client(base_url=server.url, headers=headers) as client:
        known = client.get("/api/v1/next?n=6").json()["samples"]
        decision = {key: known[0][key] for key in ("sample_id", "mask_sha256")} | {"verdict": "accept"}
        client.post("/api/v1/decisions", json={"decisions": [{"decision_id": str(uuid.uuid4()), **decision}]})
    checks = schemathesis.checks
    schema = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json", headers=headers)
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) == 17

    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), sample=st.sampled_from([None, *known]))
        def answers_as_documented(case, sample: dict[str, str] | None) -> None:
            for place in (case.body, case.query):
                if sample and isinstance(place, dict):  # half of the requests are about samples that exist
                    place.update({key: sample[key] for key in ("sample_id", "mask_sha256") if key in place})
            case.call_and_validate(
                headers=headers,
                checks=[
                    checks.not_a_server_error,
                    checks.CHECKS.get_one("status_code_conformance"),
                    checks.CHECKS.get_one("content_type_conformance"),
                    checks.CHECKS.get_one("response_schema_conformance"),
                ],
            )

        answers_as_documented()
    assert (server.root / "errors.txt").read_text() == ""
