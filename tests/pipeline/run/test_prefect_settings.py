"""Each place from which Prefect reads its server's address, tried in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

URL = "http://127.0.0.1:4999/api"
ASK = "import sys; from pipeline.run import prefect_settings as s; print(s.names_a_server(), 'prefect' in sys.modules)"


def answer(directory: Path, **environment: str) -> list[str]:
    """Whether a server is named, and whether Prefect was loaded to find out."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK],
        cwd=directory,
        env=clean | {"HOME": str(directory), "PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_without_settings_prefect_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "prefect.toml").write_text("[server]\nanalytics_enabled = false\n")
    assert answer(tmp_path) == ["False", "False"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("prefect.toml", f'[api]\nurl = "{URL}"\n'),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{URL}"\n'),
        (".env", f"PREFECT_API_URL={URL}\n"),
        (".prefect/profiles.toml", f'active = "here"\n[profiles.here]\nPREFECT_API_URL = "{URL}"\n'),
    ],
)
def test_a_file_names_the_server(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert answer(tmp_path) == ["True", "True"]


@pytest.mark.slow
def test_the_environment_names_the_server(tmp_path: Path) -> None:
    assert answer(tmp_path, PREFECT_API_URL=URL) == ["True", "True"]
