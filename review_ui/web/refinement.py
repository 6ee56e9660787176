"""One action of a reviewer on a mask under repair: the mask as the page has it -> the refined one, both as PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from review_ui.queue.open_samples import OpenSample
from review_ui.web.repaired_masks import read_mask_png

Action = Literal["person", "background", "largest", "fill", "smooth"]  # the first two need a stroke
MAX_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class StrokePoints:
    """Points (x, y) of a stroke and the brush's radius, in the mask's pixels; no points where there is no stroke."""

    points: Sequence[tuple[float, float]]
    radius: float


def refined_mask(text: str, action: Action, stroke: StrokePoints, sample: OpenSample, blobs: BlobStore) -> bytes:
    """Apply the action to a mask given as base64 of a PNG; UserError when mask or stroke don't fit the sample."""
    from manifests.pixels.images import decode_image  # here: the server starts without OpenCV
    from manifests.pixels.masks import encode_mask
    from review_ui.repair import clean_up
    from review_ui.repair.smart_stroke import Stroke, apply_smart_stroke

    mask = read_mask_png(text)
    if mask.shape != (sample.height, sample.width):
        raise UserError(
            f"expected a mask of {sample.width}x{sample.height} pixels, found {mask.shape[1]}x{mask.shape[0]}"
        )
    if action == "largest":
        return encode_mask(clean_up.keep_largest_piece(mask))
    if action == "fill":
        return encode_mask(clean_up.fill_holes(mask))
    if action == "smooth":
        return encode_mask(clean_up.smooth_edge(mask))
    path = blobs.find(sample.image_sha256)
    if path is None:
        raise UserError(f"expected the image {sample.image_sha256[:12]} among the blobs, found none")
    drawn = Stroke(stroke.points, stroke.radius)
    return encode_mask(apply_smart_stroke(decode_image(path.read_bytes()), mask, drawn, is_person=action == "person"))
