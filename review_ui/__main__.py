"""`python -m review_ui`: open the review page on a manifest version."""

import argparse
import ipaddress
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from manifests.blobs import BlobStore
from manifests.command import run_command
from manifests.decisions import DecisionLog, sqlite_url
from manifests.errors import UserError
from manifests.store import Manifest, ManifestStore
from review_ui.server import create_app, dataset_name, listen, serve, url_of
from review_ui.session import ReviewSession


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    listener = listen(options.host, options.port)
    manifest, store = _open(options)
    url = url_of(listener)
    database_url = options.database_url or sqlite_url(manifest.data_root.resolve())
    session = ReviewSession(manifest, store, DecisionLog(database_url))
    app = create_app(
        session,
        BlobStore(manifest.data_root),
        host_name=options.host,
        dataset=dataset_name(store.root, database_url),
    )
    _warn_if_open(options.host)
    serve(app, listener, on_ready=lambda: _announce(url, manifest, browser=not options.no_browser))


def port(text: str) -> int:
    """A port number; the system would take one that is too large for another one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {number}")
    return number


def _open(options: argparse.Namespace) -> tuple[Manifest, ManifestStore]:
    """The manifest asked for, or the latest one, and the store of its directory."""
    store = ManifestStore(options.manifest.parent if options.manifest else options.manifests)
    manifest = Manifest.open(options.manifest or store.open().path, data_root=options.data)
    if not manifest.data_root.is_dir():
        raise UserError(
            f"expected the data root of {manifest.path} at {manifest.data_root}, found no directory; "
            "give the right one with --data"
        )
    return manifest, store


def _announce(url: str, manifest: Manifest, *, browser: bool) -> None:
    print(f"reviewing {manifest.path} at {url}  (Ctrl+C stops it; decisions are kept)", flush=True)
    if browser and _has_screen():
        webbrowser.open(url)


def _has_screen() -> bool:
    """Whether a person sits in front of this machine: a terminal, and a desktop to open a window on."""
    desktop = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return sys.stdout.isatty() and desktop


def _warn_if_open(host: str) -> None:
    try:
        private = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        private = False
    if not private:
        print(f"warning: whoever reaches {host} can see and judge the pictures; nobody signs in", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m review_ui", description="Open the page on which a person accepts or rejects each mask."
    )
    parser.add_argument("--manifest", type=Path, metavar="PATH", help="version to review (default: the latest)")
    parser.add_argument(
        "--manifests", type=Path, default=Path("manifests"), metavar="DIR",
        help="directory of versions, when --manifest isn't given (default: manifests)",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="data root (default: the one the manifest names)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=7860, help="port to listen on, 0 for any (default: 7860)")
    parser.add_argument(
        "--database-url", metavar="URL", help="decision log (default: decisions.sqlite3 in the data root)"
    )
    parser.add_argument("--no-browser", action="store_true", help="don't open a browser window")
    return parser


if __name__ == "__main__":
    run_command(main)
