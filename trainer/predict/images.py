"""Images -> files."""

import io
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import read_file, usable_pictures
from manifests.pixels.images import UnusableImage, decode_image, encode_jpeg
from manifests.progress import progress
from trainer.inference.predictors import Predictor
from trainer.predict.matting.background import WHITE, Background
from trainer.predict.output_kinds import VIEWS, Cutout
from trainer.predict.outputs import Outputs

PNG_LEVEL = 6

logger = logging.getLogger(__name__)


def cut_pictures(
    predictor: Predictor, images: Mapping[Path, Outputs], *, alone: bool, background: Background = WHITE
) -> list[Path]:
    """Write the outputs of every image; return their paths.

    Unusable images are logged as warnings and skipped; one that is `alone`, the only input, is a UserError. Images
    without a person are written, counted and reported.
    """
    usable = _one(next(iter(images))) if alone else usable_pictures(progress(images, "cutting out", total=len(images)))
    written, empty = list[Path](), 0
    for image, rgb in usable:
        cutout = Cutout(rgb, predictor.person_prob(rgb), background)
        for view, path in images[image].items():
            write_replace(path, encoded(VIEWS[view](cutout), path.suffix))
            written.append(path)
        if not cutout.shows_person:
            logger.warning("found no person in %s", image)
            empty += 1
    if empty and not alone:
        logger.warning("found no person in %d of %d images, named above", empty, len(images))
    return written


def encoded(pixels: Pixels, suffix: str) -> bytes:
    """Grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4) -> the bytes of a .png or .jpg."""
    if suffix == ".jpg":
        return encode_jpeg(pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def _one(image: Path) -> Iterator[tuple[Path, Pixels]]:
    try:
        yield image, decode_image(read_file(image))
    except UnusableImage as error:
        raise UserError(f"expected a usable image, found {image}: {error}") from error
