"""A real PostgreSQL server of the tests' own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from free_port import free_port

_START_SECONDS = 60


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty database; the server is gone afterwards. Skips where PostgreSQL isn't installed."""
    programs = _programs()
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())  # it won't run as root
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        root = Path(name)
        os.chown(root, owner.pw_uid, owner.pw_gid)
        port = free_port()
        control = [programs / "pg_ctl", "-D", root / "data", "-l", root / "log", "-t", str(_START_SECONDS), "-w"]

        def run(*command: str | Path) -> None:
            subprocess.run(command, user=owner.pw_uid, cwd=root, check=True, capture_output=True)

        run(programs / "initdb", "-D", root / "data", "-U", "reviewer", "-A", "trust", "-E", "UTF8", "--no-sync")
        run(*control, "-o", f"-p {port} -k {root} -c listen_addresses=127.0.0.1", "start")
        try:
            yield f"postgresql://reviewer@127.0.0.1:{port}/postgres"
        finally:
            run(*control, "-m", "immediate", "stop")


def _programs() -> Path:
    """Where initdb and pg_ctl are; Debian keeps them out of PATH."""
    found = shutil.which("pg_ctl")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    pytest.skip("needs a PostgreSQL server, which is not here; on Debian: apt-get install postgresql")
