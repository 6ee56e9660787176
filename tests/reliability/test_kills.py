"""SIGKILLs at random moments of a process that works on a dataset; `make soak` kills more of them."""

import subprocess
import sys

import pytest
from repository import ROOT, SCRIPT_ENVIRONMENT


@pytest.mark.slow
def test_200_kills_lose_nothing() -> None:
    command = [sys.executable, "tests/soak/kills.py", "--kills", "200"]
    done = subprocess.run(command, cwd=ROOT, env=SCRIPT_ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("200 kills survived")
