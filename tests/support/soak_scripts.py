"""Runs the scripts of tests/soak and tests/fuzz as processes of their own."""

import subprocess
import sys

from repository import ROOT, SCRIPT_ENVIRONMENT


def output_of(script: str, *options: str) -> str:
    """The standard output of a script of tests/; AssertionError, with all it printed, when it fails."""
    command = [sys.executable, f"tests/{script}", *options]
    done = subprocess.run(command, cwd=ROOT, env=SCRIPT_ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
