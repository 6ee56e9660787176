"""`python -m manifests doctor`, on this machine and on machines that lack something."""

import re
import shutil
import socket
import sqlite3
import sys
from pathlib import Path

import pytest

from manifests.__main__ import main
from manifests.cli import doctor
from manifests.cli.arguments import run_command


def ended(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit status of `python -m manifests doctor`, in an empty directory."""
    monkeypatch.setattr(sys, "argv", ["manifests", "doctor", *arguments])
    with pytest.raises(SystemExit) as caught:
        run_command(main)
    return caught.value.code


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_sound_machine_gets_a_line_for_each_check_and_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["--port", "0"], monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(doctor.CHECKS)
    assert re.search(rf"SQLite {re.escape(sqlite3.sqlite_version)}, (write-ahead log|rollback journal)", lines[4])
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_named_before_anything_else_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert ended(["--quiet", "--port", str(port)], monkeypatch) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"port     MISSING: expected port {port} on 127.0.0.1 to be free, found")
    assert len(printed.out.splitlines()) == 1
    assert printed.err == "error: expected what every command needs, found port missing; see above\n"


def test_a_full_disk_a_missing_package_and_an_old_python_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10**8))
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no_such_package"))
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (4, 0))
    assert ended(["--quiet", "--port", "0"], monkeypatch) == 1
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["python", "packages", "disk"]
    assert "expected the package(s) no_such_package, found none" in printed.out
    assert "expected 1 GB of free disk" in printed.out
    assert "found 0.1 GB" in printed.out
    assert "python, packages, disk missing" in printed.err


def test_a_directory_without_links_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_path: Path, _write: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(doctor, "write_exclusive", refuse)
    assert ended(["--quiet", "--port", "0"], monkeypatch) == 1
    assert "writes   MISSING: expected to write to" in capsys.readouterr().out
