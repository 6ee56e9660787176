"""Other projects' own readers and writers, in an environment of their own that `make oracles` makes.

FiftyOne and Datumaro pin other versions of the libraries that this project needs.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT

from manifests.pixels.geometry import Pixels

ORACLES_PYTHON = ROOT / ".venv-oracles/bin/python"
CVAT = ROOT / ".venv-oracles/cvat"  # CVAT's SDK without the libraries that this project has


def run_oracle(script: str, *arguments: Path | str) -> None:
    """Run a Python script in the oracles' environment; skips the test where there is none."""
    if not ORACLES_PYTHON.exists():
        pytest.skip("needs other tools' packages in .venv-oracles; `make oracles` installs them and runs this test")
    command = [str(ORACLES_PYTHON), "-W", "ignore", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def run_cvat(script: str) -> str:
    """Run a Python script that imports this project and CVAT's SDK, and return its output; skips without the SDK."""
    if not CVAT.exists():
        pytest.skip("needs CVAT's SDK in .venv-oracles/cvat; `make oracles` installs it and runs this test")
    paths = [str(ROOT), str(ROOT / "tests/support")]
    prelude = f"import sys; sys.path[:0] = {paths!r}; sys.path.append({str(CVAT)!r})\n"
    command = [sys.executable, "-W", "ignore", "-c", prelude + script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def load_masks(file: Path) -> dict[str, Pixels]:
    """The masks that an oracle saved with `np.savez`, by name: person or not -> 0 and 255."""
    with np.load(file) as masks:
        return {name: (masks[name] > 0) * np.uint8(255) for name in masks.files}
