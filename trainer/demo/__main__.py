"""`python -m trainer.demo`: a page that shows what several networks make of a picture, side by side."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence

from manifests.cli.arguments import run_command
from manifests.web.address import is_loopback, listen, port, url_of
from trainer.demo.cards import open_contestants
from trainer.device import pick_device
from trainer.weights.checkpoint import STARTER, STARTER_PATH, checkpoint_path


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    listener = listen(options.host, options.port)
    contestants = open_contestants(options.checkpoint, pick_device(options.device))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as Ctrl+C: the directory of uploads goes too
    with tempfile.TemporaryDirectory(prefix="maskfoundry-demo-") as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # read when gradio is imported, and later
        from manifests.web.serving import serve
        from trainer.demo.page import demo_app  # here, and nowhere else in trainer: it imports gradio

        if not is_loopback(options.host):
            print(f"warning: whoever reaches {options.host} can use the page; nobody signs in", file=sys.stderr)
        app = demo_app(contestants, _host_names(options.host))
        names = ", ".join(contestant.name for contestant in contestants)
        serve(app, listener, on_ready=lambda: print(f"{names} at {url_of(listener)}  (Ctrl+C stops it)", flush=True))


def _host_names(host: str) -> list[str]:
    """Under which browsers may ask for the page: any where it is meant for other machines."""
    return ["localhost", "127.0.0.1", "[::1]"] if is_loopback(host) else ["*"]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.demo", description=__doc__)
    networks = f"checkpoints, runs' directories, ONNX files, or {STARTER} (default: {STARTER})"
    parser.add_argument(
        "--checkpoint", type=checkpoint_path, nargs="+", default=[STARTER_PATH], metavar="PATH", help=networks
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=7861, help="port, 0 for any (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
