"""`review_ui.client` against a real server: with a token, through a restart, and refused."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from review_browser import Server, served_copy

from manifests.errors import UserError
from manifests.pixels.images import decode_image
from manifests.pixels.masks import decode_mask
from manifests.store.manifest import ManifestStore
from review_ui.auth.api_token import new_token
from review_ui.auth.password import hash_password
from review_ui.auth.users import User, write_users
from review_ui.client import RETRY_SECONDS, Refused, ReviewClient, Sample


@pytest.fixture
def token(tmp_path: Path) -> str:
    """Of ann, a lead, who may do all."""
    text, entry = new_token("test", "all", datetime.now(UTC) + timedelta(hours=1))
    write_users(
        tmp_path / "users.toml",
        {"ann": User("ann", "lead", hash_password("correct horse", log2_n=15), {"test": entry})},
    )
    return text


@pytest.fixture
def server(tmp_path: Path, six_waiting: Path, token: str) -> Iterator[Server]:
    yield from served_copy(
        six_waiting, tmp_path, "--users", str(tmp_path / "users.toml"), "--gold-rate", "0", "--repeat-rate", "0"
    )


@pytest.fixture
def client(server: Server, token: str) -> Iterator[ReviewClient]:
    with ReviewClient(server.url, token=token, sleep=lambda seconds: None) as client:
        yield client


def test_a_script_reviews_a_queue_and_publishes(client: ReviewClient, tmp_path: Path) -> None:
    assert client.me()["name"] == "ann"
    samples = client.next(4)
    assert len({sample.sample_id for sample in samples}) == 4
    image, mask = decode_image(client.image(samples[0])), decode_mask(client.mask(samples[0]))
    assert image.shape[:2] == mask.shape
    assert np.ptp(image) > 0
    client.decide(samples[0], "reject", reason="hair; held object", decision_ms=1200)
    taken_back = client.decide(samples[1], "reject")
    client.undo(taken_back)
    client.decide_all([(sample, "accept", {}) for sample in samples[1:3]])
    assert client.decisions_csv().count("\n") == 4  # the header and three decisions
    assert client.release() == 1
    assert client.publish() == 2
    rows = {row["sample_id"]: row for row in ManifestStore(tmp_path / "manifests").open(2).read().to_pylist()}
    assert [rows[sample.sample_id]["status"] for sample in samples] == ["rejected", "accepted", "accepted", "pending"]
    assert rows[samples[0].sample_id]["reason"] == "hair; held object"


def test_what_is_refused_raises_with_the_servers_line(client: ReviewClient, server: Server) -> None:
    [sample] = client.next(1)
    with pytest.raises(Refused, match="expected a verdict on mask"):
        client.decide(Sample(sample.sample_id, "0" * 64, {}), "accept")
    with pytest.raises(UserError, match="expected"):
        client.next(1, order="sideways")
    with pytest.raises(UserError, match="expected a decision of ann"):
        client.undo("00000000-0000-0000-0000-000000000000")
    with (
        ReviewClient(str(client._http.base_url), token="mf_wrong") as other,
        pytest.raises(UserError, match="API token"),
    ):
        other.me()


def test_a_server_that_is_away_is_asked_again(server: Server, token: str, tmp_path: Path) -> None:
    waits: list[float] = []
    again: list[Server] = []

    def start_again(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            again.append(Server(tmp_path, server.port, "--users", str(tmp_path / "users.toml"), "--gold-rate", "0"))

    with ReviewClient(server.url, token=token, sleep=start_again) as client:
        [sample] = client.next(1)
        server.stop(signal.SIGKILL)
        try:
            client.decide(sample, "accept")
        finally:
            again[0].stop()
        assert waits == list(RETRY_SECONDS[:2])
        waits[:] = [0.0] * 9
        with pytest.raises(UserError, match="expected the server at"):
            client.me()
