"""`python -m trainer.predict`: a mask PNG for every picture, at the picture's own size."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from manifests.atomic import write_replace
from manifests.command import run_command
from manifests.errors import UserError
from manifests.masks import encode_mask, mask_from_prob
from manifests.pictures import list_pictures, usable_pictures
from manifests.progress import progress
from trainer.checkpoint import STARTER, checkpoint_path
from trainer.device import pick_device
from trainer.predictors import Predictor, open_predictor


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    predictor = open_predictor(options.checkpoint, pick_device(options.device))
    pictures = list_pictures(options.input)
    _check_stems(pictures)
    written = predict(predictor, pictures, options.output)
    if not written:
        raise UserError(f"expected a usable picture in {options.input}, found none; see the lines above")
    print(written[0] if options.input.is_file() else options.output)


def predict(predictor: Predictor, pictures: Sequence[Path], output: Path) -> list[Path]:
    """Write OUTPUT/<stem>.png for every picture; unusable ones are said on standard error and left out."""
    written = []
    for picture, rgb in usable_pictures(progress(pictures, "predicting", total=len(pictures))):
        path = output / f"{picture.stem}.png"
        write_replace(path, encode_mask(mask_from_prob(predictor.person_prob(rgb).clip(0, 1))))
        written.append(path)
    return written


def _check_stems(pictures: Sequence[Path]) -> None:
    twice = sorted(stem for stem, count in Counter(path.stem for path in pictures).items() if count > 1)
    if twice:
        raise UserError(
            f"expected pictures of different stems, found {len(twice)} stem(s) more than once, {twice[0]!r} for one; "
            "their masks would overwrite each other: predict one folder at a time"
        )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.predict", description=__doc__)
    networks = f"a checkpoint, a run's directory, an ONNX file, or {STARTER}: the one that comes with the package"
    parser.add_argument("--checkpoint", type=checkpoint_path, required=True, metavar="PATH", help=networks)
    parser.add_argument("--input", type=Path, required=True, help="a picture or a directory of them")
    parser.add_argument("--output", type=Path, required=True, help="directory of the masks")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
