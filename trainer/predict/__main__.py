"""`python -m trainer.predict`: cuts people out of pictures, videos and what a camera sees."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manifests.cli.arguments import positive, run_command
from manifests.errors import UserError
from trainer.device import pick_device
from trainer.inference.predictors import Predictor, open_predictor
from trainer.predict.images import cut_pictures
from trainer.predict.inputs import Inputs, find_inputs
from trainer.predict.localize.localizers import LOCALIZERS
from trainer.predict.matting.background import WHITE, Background, read_background
from trainer.predict.matting.refinement import REFINEMENTS
from trainer.predict.output_kinds import VIEWS
from trainer.predict.outputs import check_outputs, footage_outputs, still_outputs
from trainer.predict.person_predictor import PersonPredictor
from trainer.predict.postprocess import Postprocess
from trainer.predict.video.frames import FOURCCS
from trainer.predict.video.smoothing import SMOOTHERS
from trainer.predict.videos import cut_footage
from trainer.weights.checkpoint import STARTER, checkpoint_path


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    inputs, background = find_inputs(options.input), _background(options)
    stills = {path: still_outputs(path, options.write, options.output) for path in inputs.pictures}
    videos = {
        source: footage_outputs(source, options.write, options.output, f".{options.video}") for source in inputs.footage
    }
    check_outputs(inputs, [*stills.values(), *videos.values()])
    person = PersonPredictor(_open(options), LOCALIZERS[options.localizer](), _postprocess(options))
    written = cut_pictures(person, inputs.pictures, stills, background=background) if stills else []
    for source, outputs in videos.items():
        smoother = SMOOTHERS[options.smooth]()
        try:
            written += cut_footage(person, smoother, source, outputs, background=background, max_frames=options.frames)
        except UserError as error:
            if len(inputs) == 1:
                raise
            print(f"skipped {source}: {error}", file=sys.stderr)
    _end(inputs, written, options)


def _end(inputs: Inputs, written: list[Path], options: argparse.Namespace) -> None:
    if not written:
        raise UserError(f"expected a usable picture or video in {options.input}, found none; see the lines above")
    if inputs.footage:
        print("video files are written without sound", file=sys.stderr)
    print(written[0] if len(written) == 1 else options.output)


def _open(options: argparse.Namespace) -> Predictor:
    stated: dict[str, Any] = {"runtime": options.runtime, "threads": options.threads}
    asked = {name: value for name, value in stated.items() if value is not None}
    return open_predictor(options.checkpoint, pick_device(options.device), **asked)


def _postprocess(options: argparse.Namespace) -> Postprocess:
    return Postprocess(
        open_px=options.open,
        close_px=options.close,
        largest=options.largest,
        max_hole_fraction=options.fill_holes,
        refine=options.refine,
    )


def _background(options: argparse.Namespace) -> Background:
    if (options.background is not None) != ("replace" in options.write):
        raise UserError("expected --background and --write replace together, found one without the other")
    return WHITE if options.background is None else read_background(options.background)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.predict", description=__doc__)
    networks = (
        f"a checkpoint, a run's directory, an exported network, or {STARTER}: the one that comes with the package"
    )
    parser.add_argument("--checkpoint", type=checkpoint_path, required=True, metavar="PATH", help=networks)
    parser.add_argument(
        "--input", required=True, help="a picture, a video, a directory of them, or webcam (webcam:1 is the second)"
    )
    parser.add_argument("--output", type=Path, required=True, help="directory of what is written")
    parser.add_argument(
        "--write", choices=VIEWS, nargs="+", default=["mask"], help="one or several (default: mask, as STEM.png)"
    )
    parser.add_argument("--background", metavar="FILE|#rrggbb", help="of --write replace")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--runtime", help="what runs an exported network; its suffix says so by itself")
    parser.add_argument("--threads", type=positive, help="of one picture (default: the runtime's own choice)")
    _add_postprocessing(parser)
    video = parser.add_argument_group("video")
    video.add_argument("--smooth", choices=SMOOTHERS, default="exponential", help="over time (default: %(default)s)")
    formats = [suffix.removeprefix(".") for suffix in FOURCCS]
    video.add_argument("--video", choices=formats, default="mp4", help="file format (default: %(default)s)")
    video.add_argument("--frames", type=positive, metavar="N", help="end after N frames (default: all)")
    return parser.parse_args(arguments)


def _add_postprocessing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("mask")
    group.add_argument("--localizer", choices=LOCALIZERS, default="mask", help="a second look (default: %(default)s)")
    group.add_argument("--refine", choices=REFINEMENTS, default="guided", help="of edges (default: %(default)s)")
    group.add_argument("--open", type=positive, default=0, metavar="PX", help="take away what is thinner")
    group.add_argument("--close", type=positive, default=0, metavar="PX", help="close gaps that are narrower")
    group.add_argument("--largest", action="store_true", help="keep the largest connected piece alone")
    group.add_argument(
        "--fill-holes", type=_fraction, default=0.0, metavar="FRACTION",
        help="fill holes of at most this fraction of the person's area, as 0.02",
    )  # fmt: skip


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text}")
    return value


if __name__ == "__main__":
    run_command(main)
