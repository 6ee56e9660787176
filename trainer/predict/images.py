"""Pictures -> files."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import usable_pictures
from manifests.pixels.images import UnusableImage, decode_image, encode_jpeg
from manifests.progress import progress
from trainer.inference.predictors import Predictor
from trainer.predict.matting.background import WHITE, Background
from trainer.predict.output_kinds import VIEWS, Cutout
from trainer.predict.outputs import Outputs

PNG_LEVEL = 6


def cut_pictures(
    predictor: Predictor, pictures: Sequence[Path], outputs: Mapping[Path, Outputs], *, background: Background = WHITE
) -> list[Path]:
    """Write the `outputs` of every picture, and give what was written.

    Of several pictures unusable ones are said on standard error and left out; one alone is a UserError.
    """
    if len(pictures) == 1:
        return _write(pictures[0], _decoded(pictures[0]), predictor, outputs, background)
    written = []
    for picture, rgb in usable_pictures(progress(pictures, "cutting out", total=len(pictures))):
        written += _write(picture, rgb, predictor, outputs, background)
    return written


def encoded(pixels: Pixels, suffix: str) -> bytes:
    """Grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4) -> the bytes of a .png or .jpg."""
    if suffix == ".jpg":
        return encode_jpeg(pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def _write(
    picture: Path, rgb: Pixels, predictor: Predictor, outputs: Mapping[Path, Outputs], background: Background
) -> list[Path]:
    cutout = Cutout(rgb, predictor.person_prob(rgb), background)
    for view, path in outputs[picture].items():
        write_replace(path, encoded(VIEWS[view](cutout), path.suffix))
    return list(outputs[picture].values())


def _decoded(picture: Path) -> Pixels:
    try:
        return decode_image(picture.read_bytes())
    except UnusableImage as error:
        raise UserError(f"expected a usable picture, found {picture}: {error}") from error
