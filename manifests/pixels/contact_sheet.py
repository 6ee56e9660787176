"""Contact sheet: many samples on one image, the background dimmed and the mask's edge drawn."""

from collections.abc import Sequence

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL

TILE_PX = 224
COLUMNS = 8
GAP_PX = 6
SURROUND = 64  # a neutral grey, so that neither dark nor light backgrounds blend into it
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
    for drawn, caption in zip(tiles, captions, strict=False):
        _write_caption(drawn, caption)
    return arranged(tiles, columns=columns)


def arranged(tiles: Sequence[Pixels], *, columns: int = COLUMNS) -> Pixels:
    """RGB tiles, of TILE_PX a side at most, on one RGB sheet, in reading order."""
    columns = min(columns, max(1, len(tiles)))
    rows = -(-len(tiles) // columns)
    pitch = TILE_PX + GAP_PX
    sheet = np.full((rows * pitch + GAP_PX, columns * pitch + GAP_PX, 3), SURROUND, np.uint8)
    for index, drawn in enumerate(tiles):
        row, column = divmod(index, columns)
        top = GAP_PX + row * pitch + (TILE_PX - drawn.shape[0]) // 2
        left = GAP_PX + column * pitch + (TILE_PX - drawn.shape[1]) // 2
        sheet[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    return sheet


def overlay(rgb: Pixels, mask: Pixels) -> Pixels:
    """RGB (H, W, 3) with everything but the person dimmed and the mask's edge as a line."""
    person = (mask >= PERSON_LEVEL).astype(np.uint8)
    shown = np.where(person[..., None] == 1, rgb, (rgb * DIMMED).astype(np.uint8))
    contours, _ = cv2.findContours(person, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.ascontiguousarray(shown), contours, -1, CONTOUR_RGB, 1), np.uint8)


def tile(rgb: Pixels, mask: Pixels) -> Pixels:
    """The `overlay` of RGB (H, W, 3) and mask (H, W) with its longer side of TILE_PX."""
    scale = TILE_PX / max(rgb.shape[:2])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    shrinking = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return overlay(
        np.asarray(cv2.resize(rgb, size, interpolation=shrinking), np.uint8),
        np.asarray(cv2.resize(mask, size, interpolation=shrinking), np.uint8),
    )


def _write_caption(tile: Pixels, caption: str) -> None:
    """In place: white on a dimmed bar at the lower edge."""
    bar = tile[-CAPTION_BAR_PX:]
    bar[:] = (bar * DIMMED).astype(np.uint8)
    corner = CAPTION_INSET_PX, tile.shape[0] - CAPTION_INSET_PX
    cv2.putText(tile, caption, corner, cv2.FONT_HERSHEY_SIMPLEX, CAPTION_SCALE, (255, 255, 255), 1, cv2.LINE_AA)
