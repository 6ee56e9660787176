"""All inputs of one call, image by image and video by video; unusable ones of several are skipped."""

import argparse
import logging
from pathlib import Path
from typing import Any

from manifests.errors import UserError
from trainer.device import pick_device
from trainer.inference.predictors import Predictor, open_predictor
from trainer.predict.images import cut_pictures
from trainer.predict.inputs import find_inputs
from trainer.predict.localize.localizers import LOCALIZERS
from trainer.predict.matting.background import WHITE, Background, read_background
from trainer.predict.outputs import check_outputs, footage_outputs, skip_long_names, still_outputs
from trainer.predict.person_predictor import PersonPredictor
from trainer.predict.postprocess import Postprocess
from trainer.predict.video.frames import UnusableFootage
from trainer.predict.video.smoothing import SMOOTHERS
from trainer.predict.videos import cut_footage

logger = logging.getLogger(__name__)


def cut_inputs(options: argparse.Namespace) -> None:
    """Write all outputs that the `options` of trainer.predict request; UserError when nothing can be written."""
    inputs, background = find_inputs(options.input), _background(options)
    alone = len(inputs) == 1
    stills = {path: still_outputs(path, options.write, options.output) for path in inputs.pictures}
    videos = {
        source: footage_outputs(source, options.write, options.output, f".{options.video}") for source in inputs.footage
    }
    check_outputs(inputs, [*stills.values(), *videos.values()])
    skip_long_names(stills, videos, alone=alone)
    person = PersonPredictor(_open(options), LOCALIZERS[options.localizer](), _postprocess(options))
    written = cut_pictures(person, stills, alone=alone, background=background) if stills else []
    for source, outputs in videos.items():
        smoother = SMOOTHERS[options.smooth]()
        try:
            written += cut_footage(person, smoother, source, outputs, background=background, max_frames=options.frames)
        except UnusableFootage as error:
            if alone:
                raise
            logger.warning("skipped %s: %s", source, error)
    _end(written, options, inputs=len(inputs))


def _end(written: list[Path], options: argparse.Namespace, *, inputs: int) -> None:
    if not written:
        raise UserError(f"expected a usable image or video in {options.input}, found none; see the lines above")
    skipped = inputs - len(written) // len(set(options.write))
    if skipped:
        logger.warning("skipped %d of %d inputs, named above", skipped, inputs)
    print(written[0] if len(written) == 1 else options.output)


def _open(options: argparse.Namespace) -> Predictor:
    choices: dict[str, Any] = {"runtime": options.runtime, "threads": options.threads}
    choices = {name: value for name, value in choices.items() if value is not None}
    return open_predictor(options.checkpoint, pick_device(options.device), **choices)


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
