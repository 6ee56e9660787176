"""SIGKILLs at random moments of processes at work; `make soak` kills more of them."""

import pytest
from soak_scripts import output_of

KILLS = "soak/kills.py"


@pytest.mark.slow
def test_180_kills_of_operations_lose_nothing() -> None:
    printed = output_of(KILLS, "--kills", "180", "--kinds", "operations")
    assert printed.startswith("operations: 180 kills survived")


@pytest.mark.slow
def test_12_killed_servers_lose_no_acknowledged_verdict() -> None:
    printed = output_of(KILLS, "--kills", "12", "--kinds", "server")
    assert printed.startswith("server: 12 servers killed; ")
    assert " 0 verdicts" not in printed


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["worker", "fit"])
def test_killed_jobs_end_as_undisturbed_ones(kind: str) -> None:
    printed = output_of(KILLS, "--kills", "2", "--kinds", kind)
    assert printed.startswith(f"{kind}: 2 {kind} processes killed")
