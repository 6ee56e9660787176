"""Passwords in a database's URL."""

from pathlib import Path

import pytest
from small_lineages import Lineage

from manifests.decisions.database import has_password
from manifests.decisions.log import DecisionLog
from manifests.errors import UserError
from pipeline.flows import publish_reviews


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ann:secret@db/review", True),
        ("postgresql://db/review?user=ann&password=secret", True),
        ("postgresql://ann@db/review", False),
        ("sqlite:///reviews.sqlite", False),
        ("no url", False),
    ],
)
def test_a_password_is_found_in_either_place(url: str, expected: bool) -> None:
    assert has_password(url) is expected


def test_the_flow_takes_none_since_prefect_keeps_parameters() -> None:
    with pytest.raises(UserError, match="expected a database_url without a password") as refusal:
        publish_reviews.fn(database_url="postgresql://ann:secret@db/review")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@127.0.0.1:1/review",
        "postgresql://ann:hunt@er2/@127.0.0.1:1/review",
        "postgresql://127.0.0.1:1/review?user=ann&password=hunter2",
        "postgresql://ann:hunter2@[nowhere/review",
        "nothing://ann:hunter2@127.0.0.1/review",
        "postgresql://ann:hunter2@127.0.0.1:port/review",
    ],
)
def test_no_message_about_a_database_holds_its_password(url: str) -> None:
    with pytest.raises(UserError, match="expected a database at") as refusal:
        DecisionLog(url)
    assert "hunt" not in str(refusal.value)
    assert "er2" not in str(refusal.value)
    assert "***" in str(refusal.value)


def test_a_flow_without_a_database_url_does_not_publish_from_an_empty_log(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    lineage.generate(0)
    with pytest.raises(UserError, match=r"expected the decision log .*pass the database_url of the review page"):
        publish_reviews.fn(manifests=str(tmp_path / "manifests"))
    assert not (tmp_path / "data/decisions.sqlite3").exists()
