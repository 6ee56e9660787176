"""`python -m manifests doctor`."""

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UserError
from manifests.files.atomic import write_exclusive
from manifests.files.storage import require_local
from manifests.web.address import listen, port

OLDEST_PYTHON = (3, 11)
NEEDED_BYTES = 1_000_000_000  # a sample's blobs take 20 to 500 kB: a few thousand samples
PACKAGES = ("torch", "torchvision", "facenet_pytorch", "cv2", "prefect", "gradio", "onnxruntime", "av", "pillow_heif")
GPU_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Machine:
    """What is checked: the directory of the versions, the data root, and the review page's address."""

    manifests: Path
    data_root: Path
    host: str
    port: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --host, --port and --quiet."""
    parser.add_argument("--host", default="127.0.0.1", help="the review page's address (default: %(default)s)")
    parser.add_argument("--port", type=port, default=7860, help="the review page's port (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="print only what is missing")


def run(options: argparse.Namespace) -> None:
    """Print a line per check; UserError when something that is needed is missing."""
    from manifests.store.manifest import ManifestStore  # here, as below: `--help` does not wait for it

    require_local(options.manifests, "doctor")
    data_root = options.data or ManifestStore(options.manifests).data_root()
    require_local(data_root, "doctor")
    machine = Machine(options.manifests, data_root, options.host, options.port)
    missing = []
    for name, check in CHECKS.items():
        try:
            line = check(machine)
        except UserError as error:
            missing.append(name)
            print(f"{name:9}MISSING: {error}")
        else:
            if not options.quiet:
                print(f"{name:9}{line}")
    if missing:
        raise UserError(f"expected what every command needs, found {', '.join(missing)} missing; see above")


def _python(_machine: Machine) -> str:
    if sys.version_info < OLDEST_PYTHON:
        raise UserError(
            f"expected Python 3.11 or newer, found {platform.python_version()}; make PYTHON=python3.11 setup"
        )
    return f"{platform.python_version()} at {sys.executable}"


def _packages(_machine: Machine) -> str:
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        raise UserError(f"expected the package(s) {', '.join(absent)}, found none; run make setup")
    return "installed"


def _disk(machine: Machine) -> str:
    directory = _existing(machine.data_root)
    free = shutil.disk_usage(directory).free
    if free < NEEDED_BYTES:
        raise UserError(f"expected 1 GB of free disk at {directory}, found {free / 1e9:.1f} GB; free some space")
    return f"{free / 1e9:.0f} GB free at {directory}"


def _writes(machine: Machine) -> str:
    for path in (machine.manifests, machine.data_root):
        directory = _existing(path)
        try:
            with tempfile.TemporaryDirectory(prefix=".tmp-", dir=directory) as probe:
                write_exclusive(Path(probe) / "probe", Path.touch)
        except OSError as error:
            raise UserError(
                f"expected to write to {directory}, found: {error.strerror or error}; pass other --manifests and --data"
            ) from error
    return f"{machine.manifests} and {machine.data_root} can be written"


def _sqlite(machine: Machine) -> str:
    import sqlalchemy as sa

    from manifests.decisions.database import describe, open_engine
    from manifests.decisions.log import sqlite_url

    try:
        with tempfile.TemporaryDirectory(prefix=".tmp-", dir=_existing(machine.data_root)) as probe:
            engine = open_engine(sqlite_url(Path(probe)))
            try:
                return describe(engine)
            finally:
                engine.dispose()
    except (sa.exc.DBAPIError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error)
        raise UserError(
            f"expected to write a SQLite database to {machine.data_root}, found: {reason}; pass another --data, or "
            "--database-url to the commands"
        ) from error


def _cores(_machine: Machine) -> str:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{available}; GPU: {_gpu() or 'none found, labelling and fitting run on the cores'}"


def _gpu() -> str | None:
    """Names of NVIDIA's or Apple's GPU by the system's own tools; None without any."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "Apple's"
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GPU_TIMEOUT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(done.stdout.split("\n")).strip("; ") or None


def _browser(_machine: Machine) -> str:
    desktop = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    try:
        webbrowser.get()
    except webbrowser.Error:
        desktop = None
    return "opens by itself" if desktop else "none found here: open the page's address in one"


def _port(machine: Machine) -> str:
    listen(machine.host, machine.port).close()
    return f"{machine.port} is free on {machine.host}"


def _existing(path: Path) -> Path:
    """The directory itself, or the nearest one above it that exists."""
    absolute = path.absolute()
    return next(directory for directory in (absolute, *absolute.parents) if directory.is_dir())


CHECKS: dict[str, Callable[[Machine], str]] = {
    "python": _python,
    "packages": _packages,
    "disk": _disk,
    "writes": _writes,
    "sqlite": _sqlite,
    "cores": _cores,
    "browser": _browser,
    "port": _port,
}
