"""`maskfoundry COMMAND` runs what `python -m` runs."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint

import pytest
from repository import ROOT

from manifests.cli.program import COMMANDS, main

STARTS = 'if __name__ == "__main__":'


def ended(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", ["maskfoundry", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def test_every_command_of_the_project_has_a_name() -> None:
    files = [path for room in ("manifests", "pipeline", "review_ui", "trainer") for path in (ROOT / room).rglob("*.py")]
    starts = [path.relative_to(ROOT) for path in files if STARTS in path.read_text()]
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__main__") for path in starts}
    named = {module.split()[0] for module, _ in COMMANDS.values()}
    assert {module for module in modules if ".bench" not in module} == named


def test_the_installed_program_is_this_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [(name, reference)] = project["scripts"].items()
    assert name == project["name"]
    assert EntryPoint(name, reference, "console_scripts").load() is main


def test_help_lists_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["--help"], monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:-2]] == list(COMMANDS)


@pytest.mark.parametrize(("arguments", "found"), [([], ""), (["lable"], "found 'lable'")])
def test_without_a_known_command_it_ends_with_2(
    arguments: list[str], found: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(arguments, monkeypatch) == 2
    assert found in capsys.readouterr().err


def test_a_command_gets_its_arguments_and_gives_its_status() -> None:
    """In a process of its own: the command is run as __main__."""
    script = "import sys; from manifests.cli.program import main; sys.argv = ['maskfoundry', *sys.argv[1:]]; main()"
    refused = subprocess.run(
        [sys.executable, "-c", script, "manifests", "log", "--manifests", "nowhere"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: expected")
    assert "nowhere" in refused.stderr
