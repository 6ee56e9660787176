"""The command-line options of `python -m trainer.predict`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser
from manifests.cli.converters import positive, share
from trainer.predict.outputs import STILL_SUFFIXES
from trainer.weights.checkpoint_files import STARTER, checkpoint_path

# Keys of tables in modules that take seconds to load; tests compare them.
LOCALIZERS = ("none", "mask", "face")
REFINEMENTS = ("none", "guided", "matting")
SMOOTHERS = ("none", "exponential")
VIDEO_FORMATS = ("mp4", "avi", "mkv")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        "python -m trainer.predict",
        description="Cut people out of images, videos and a camera's frames.",
        example="--checkpoint starter --input photographs --output out --write cutout",
    )
    networks = (
        f"a checkpoint, a run's directory, an exported network, or {STARTER}: the one that comes with the package"
    )
    parser.add_argument("--checkpoint", type=checkpoint_path, required=True, metavar="PATH", help=networks)
    parser.add_argument(
        "--input", required=True, help="an image, a video, a directory of them, or webcam (webcam:1 is the second)"
    )
    parser.add_argument("--output", type=Path, required=True, help="directory of the outputs")
    parser.add_argument(
        "--write", choices=STILL_SUFFIXES, nargs="+", default=["mask"],
        help="outputs, one or more (default: mask, as STEM.png)",
    )  # fmt: skip
    parser.add_argument("--background", metavar="FILE|#rrggbb", help="background of --write replace")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--runtime", help="runtime of an exported network (default: by its suffix)")
    parser.add_argument("--threads", type=positive, help="threads per image (default: the runtime's own choice)")
    _add_postprocessing(parser)
    video = parser.add_argument_group("video")
    video.add_argument(
        "--smooth", choices=SMOOTHERS, default="exponential", help="smoothing over time (default: %(default)s)"
    )
    video.add_argument("--video", choices=VIDEO_FORMATS, default="mp4", help="file format (default: %(default)s)")
    video.add_argument("--frames", type=positive, metavar="N", help="end after N frames (default: all)")
    return parser.parse_args(arguments)


def _add_postprocessing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("mask")
    group.add_argument(
        "--localizer", choices=LOCALIZERS, default="mask", help="boxes for a second prediction (default: %(default)s)"
    )
    group.add_argument(
        "--refine", choices=REFINEMENTS, default="guided", help="refinement of edges (default: %(default)s)"
    )
    group.add_argument("--open", type=positive, default=0, metavar="PX", help="remove parts thinner than PX")
    group.add_argument("--close", type=positive, default=0, metavar="PX", help="close gaps narrower than PX")
    group.add_argument("--largest", action="store_true", help="keep only the largest connected piece")
    group.add_argument(
        "--fill-holes", type=share, default=0.0, metavar="FRACTION",
        help="fill holes of at most this fraction of the person's area, e.g. 0.02",
    )  # fmt: skip
