"""Where this repository lies, and the environment of a test file that runs as a process of its own."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/support")])}
