"""`python -m pipeline.bridges.label_studio`: a teacher as Label Studio's ML backend.

In Label Studio: Settings, Model, Connect Model, with the URL that this command prints.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.errors import UserError
from manifests.web.address import listen, port, url_of

PORT = 9090  # Label Studio's own default for backends


def main(arguments: Sequence[str]) -> None:
    parser = CommandParser(
        "python -m pipeline.bridges.label_studio", description=__doc__, example="--teacher starter --images photographs"
    )
    parser.add_argument("--teacher", default="starter", help="as pipeline.generate takes it (default: %(default)s)")
    parser.add_argument("--label", default="person", help="the label of the brush (default: %(default)s)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the directory of Label Studio's local files")
    parser.add_argument(
        "--label-studio", metavar="URL",
        help="where uploaded images are fetched, with the access token in LABEL_STUDIO_API_KEY",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=PORT, help="(default: %(default)s)")
    _serve(parser.parse_args(arguments))


def _serve(options: argparse.Namespace) -> None:
    from manifests.web.serving import serve  # here, as below: they load uvicorn, OpenCV and torch
    from pipeline.bridges.label_studio.app import make_app
    from pipeline.bridges.label_studio.images import KEY_VARIABLE, TaskImages
    from pipeline.bridges.person_masks import load_person_masks
    from pipeline.sources.urls import parse_web_url

    if options.label_studio and parse_web_url(options.label_studio) is None:
        raise UserError(f"expected --label-studio as http://HOST:PORT, found {options.label_studio!r}")
    if options.images and not options.images.is_dir():
        raise UserError(f"expected a directory at --images {options.images}, found none")
    listener = listen(options.host, options.port)
    with listener:
        masks = load_person_masks(options.teacher, options.device)
        images = TaskImages(options.images, options.label_studio, os.environ.get(KEY_VARIABLE))
        app = make_app(masks, images, label=options.label)
        serve(app, listener, on_ready=lambda: print(f"{masks.name} serves at {url_of(listener)}", flush=True))


if __name__ == "__main__":
    run_command(main)
