"""The demo's server: opens the networks, serves the page, deletes its uploads when it stops."""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from manifests.web.address import is_loopback, listen, url_of
from trainer.demo.cards import open_contestants
from trainer.device import pick_device

logger = logging.getLogger(__name__)


def serve_demo(checkpoints: Sequence[Path], host: str, port: int, device_name: str) -> None:
    """Serve until it is stopped; UserError when the address is taken or a network can't be opened."""
    listener = listen(host, port)
    contestants = open_contestants(checkpoints, pick_device(device_name))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as Ctrl+C: deletes the uploads, too
    with tempfile.TemporaryDirectory(prefix="maskfoundry-demo-") as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # read when gradio is imported, and later
        from manifests.web.serving import serve
        from trainer.demo.page import demo_app  # here, and nowhere else in trainer: it imports gradio

        if not is_loopback(host):
            logger.warning("anyone who reaches %s can use the page: there is no sign-in", host)
        app = demo_app(contestants, _host_names(host))
        names = ", ".join(contestant.name for contestant in contestants)
        serve(app, listener, on_ready=lambda: print(f"{names} at {url_of(listener)}  (Ctrl+C stops it)", flush=True))


def _host_names(host: str) -> list[str]:
    """Host names the page answers under: any where it is meant for other machines."""
    return ["localhost", "127.0.0.1", "[::1]"] if is_loopback(host) else ["*"]
