"""New backgrounds: the photograph's own out of focus, an image, or a colour."""

import re
from pathlib import Path

import cv2
import numpy as np

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import UnusableImage, decode_image
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.strips import WORK_SIDE_PX, Floats, bands, enlarged, shrunk, shrunk_like

GAMMA = 2.2  # lenses blur light, not its encoded values: lamps become bright discs
APERTURE_FRACTION = 0.03  # of the longer side: the radius of the disc
SPILL_FRACTION = 0.01  # of the longer side: within it of the mask's edge, colours may be the person's
BEHIND_ALPHA = 0.05  # from here on a pixel shows the person, too
LEAST_WEIGHT = 1e-4
WHITE = (255, 255, 255)

Colour = tuple[int, int, int]
Background = Pixels | Colour


def composite(person: Pixels, alpha: Prob, behind: Pixels) -> Pixels:
    """Person's RGB (H, W, 3) with opacity float32 (H, W) over RGB (H, W, 3) -> RGB (H, W, 3)."""
    composited = np.empty_like(person)
    for rows in bands(*alpha.shape):
        opaque = alpha[rows][..., None]
        composited[rows] = np.rint(opaque * person[rows] + (1 - opaque) * behind[rows])
    return composited


def out_of_focus(rgb: Pixels, alpha: Prob) -> Pixels:
    """RGB (H, W, 3) -> its background as through an open lens, without any of the person's colours."""
    small = shrunk(rgb, WORK_SIDE_PX)
    longer = max(small.shape[:2])
    spill = 2 * max(1, round(SPILL_FRACTION * longer)) + 1
    near = cv2.dilate(shrunk_like(alpha, small), np.ones((spill, spill), np.uint8))
    weights = (near < BEHIND_ALPHA).astype(np.float32)
    light = np.power(small.astype(np.float32) / 255, GAMMA)
    blurred = _disc_mean(light, weights, radius_px=max(1, round(APERTURE_FRACTION * longer)))
    at = enlarged(np.power(blurred, 1 / GAMMA), *rgb.shape[:2])
    composited = np.empty_like(rgb)
    for rows in bands(*rgb.shape[:2]):
        composited[rows] = np.clip(np.rint(at(rows) * 255), 0, 255)
    return composited


def read_background(text: str) -> Background:
    """Read `--background`: #rrggbb, or an image's path; UserError when it is neither."""
    if text.startswith("#"):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
            raise UserError(f"expected a colour as #rrggbb for --background, found {text}")
        red, green, blue = bytes.fromhex(text[1:])
        return red, green, blue
    path = Path(text)
    if not path.is_file():
        raise UserError(f"expected an image or #rrggbb for --background, found no file {path}")
    try:
        return decode_image(path.read_bytes())
    except UnusableImage as error:
        raise UserError(f"expected an image for --background, found {path}: {error}") from error


def fitted(background: Background, height: int, width: int) -> Pixels:
    """RGB (height, width, 3): the colour, or the middle of the image, scaled until it covers."""
    if isinstance(background, tuple):
        return np.full((height, width, 3), background, np.uint8)
    scale = max(height / background.shape[0], width / background.shape[1])
    size = max(width, round(background.shape[1] * scale)), max(height, round(background.shape[0] * scale))
    scaled = cv2.resize(background, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return np.asarray(scaled[top : top + height, left : left + width], np.uint8)


def _disc_mean(light: Floats, weights: Floats, *, radius_px: int) -> Floats:
    """Weighted means over discs, (h, w, 3) with (h, w); where a disc holds no weight, over ever larger squares."""
    side = 2 * radius_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.float32)
    total = cv2.filter2D(light * weights[..., None], -1, disc, borderType=cv2.BORDER_REFLECT)
    weight = cv2.filter2D(weights, -1, disc, borderType=cv2.BORDER_REFLECT)[..., None]
    mean: Floats = np.clip(total / np.maximum(weight, LEAST_WEIGHT), 0, 1).astype(np.float32)
    known = weight[..., 0] > LEAST_WEIGHT * disc.sum()
    return mean if known.all() else _filled(mean, known)


def _filled(values: Floats, known: np.ndarray) -> Floats:
    """(h, w, 3) with unknown pixels filled from known ones around: the image is halved until none is unknown."""
    if known.all() or not known.any():
        return values
    height, width = known.shape
    half = max(1, width // 2), max(1, height // 2)
    weights = known.astype(np.float32)
    weight = cv2.resize(weights, half, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(values * weights[..., None], half, interpolation=cv2.INTER_AREA)
    spread = (mean / np.maximum(weight, LEAST_WEIGHT)[..., None]).astype(np.float32)
    coarse = _filled(spread, weight > LEAST_WEIGHT)
    return np.where(known[..., None], values, cv2.resize(coarse, (width, height))).astype(np.float32)
