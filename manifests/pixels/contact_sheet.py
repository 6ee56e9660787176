"""Contact sheet: samples on one image, with the background dimmed and the mask's edge drawn."""

from collections.abc import Sequence

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL

TILE_PX = 224
COLUMNS = 8
GAP_PX = 6
SURROUND = 64  # a neutral grey, distinct from dark and light backgrounds
DIMMED = 0.35
CAPTION_SCALE = 0.5  # of OpenCV's font, whose letters are then about 11 px high
CAPTION_BAR_PX = 22
CAPTION_INSET_PX = 6
CONTOUR_RGB = (255, 214, 0)  # yellow: rare in skin, hair and clothes


def contact_sheet(
    samples: Sequence[tuple[Pixels, Pixels]], *, columns: int = COLUMNS, captions: Sequence[str] = ()
) -> Pixels:
    """Pairs of RGB (H, W, 3) and mask (H, W) -> one RGB sheet, in reading order; a caption (ASCII) each, or none."""
    tiles = [tile(rgb, mask) for rgb, mask in samples]
    for tile_rgb, caption in zip(tiles, captions, strict=False):
        _write_caption(tile_rgb, caption)
    return arranged(tiles, columns=columns)


def arranged(tiles: Sequence[Pixels], *, columns: int = COLUMNS) -> Pixels:
    """RGB tiles, TILE_PX a side at most, on one RGB sheet, in reading order."""
    columns = min(columns, max(1, len(tiles)))
    rows = -(-len(tiles) // columns)
    pitch = TILE_PX + GAP_PX
    sheet = np.full((rows * pitch + GAP_PX, columns * pitch + GAP_PX, 3), SURROUND, np.uint8)
    for index, tile_rgb in enumerate(tiles):
        row, column = divmod(index, columns)
        height, width = tile_rgb.shape[:2]
        top, left = GAP_PX + row * pitch + (TILE_PX - height) // 2, GAP_PX + column * pitch + (TILE_PX - width) // 2
        sheet[top : top + height, left : left + width] = tile_rgb
    return sheet


def overlay(rgb: Pixels, mask: Pixels) -> Pixels:
    """RGB (H, W, 3) with everything but the person dimmed and the mask's edge as a line."""
    person = (mask >= PERSON_LEVEL).astype(np.uint8)
    dimmed = np.where(person[..., None] == 1, rgb, (rgb * DIMMED).astype(np.uint8))
    contours, _ = cv2.findContours(person, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.ascontiguousarray(dimmed), contours, -1, CONTOUR_RGB, 1), np.uint8)


def tile(rgb: Pixels, mask: Pixels) -> Pixels:
    """The `overlay` of RGB (H, W, 3) and mask (H, W) with its longer side of TILE_PX."""
    scale = TILE_PX / max(rgb.shape[:2])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return overlay(
        np.asarray(cv2.resize(rgb, size, interpolation=interpolation), np.uint8),
        np.asarray(cv2.resize(mask, size, interpolation=interpolation), np.uint8),
    )


def _write_caption(tile: Pixels, caption: str) -> None:
    """Write white text on a dimmed bar at the lower edge, in place."""
    bar = tile[-CAPTION_BAR_PX:]
    bar[:] = (bar * DIMMED).astype(np.uint8)
    corner = CAPTION_INSET_PX, tile.shape[0] - CAPTION_INSET_PX
    cv2.putText(tile, caption, corner, cv2.FONT_HERSHEY_SIMPLEX, CAPTION_SCALE, (255, 255, 255), 1, cv2.LINE_AA)
