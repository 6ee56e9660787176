"""One action of a reviewer on a mask under repair: the mask as the page has it -> the refined one, both as PNG."""

from typing import Literal

from pydantic import BaseModel, Field

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from review_ui.queue.open_samples import OpenSample
from review_ui.repair.segmenter import MAX_PROMPT_POINTS, PointSegmenter
from review_ui.repair.stroke import MAX_POINTS, Stroke
from review_ui.web.repaired_masks import read_mask_png


class RefineRequest(BaseModel):
    """A mask (base64 of a PNG) as it is on a reviewer's page, and the action to apply to it.

    `person` and `background` need a stroke: `points` (x, y) and the brush's `radius`, in the mask's pixels. `point`
    needs `points` and a label of each: 1 adds the object at it to the person, 0 takes it away.
    """

    sample_id: str
    mask_sha256: str
    mask: str
    action: Literal["person", "background", "largest", "fill", "smooth", "point"]
    points: list[tuple[float, float]] = Field([], max_length=MAX_POINTS)
    labels: list[Literal[0, 1]] = Field([], max_length=MAX_PROMPT_POINTS)
    radius: float = Field(1.0, gt=0, le=10_000)


def refined_mask(
    request: RefineRequest, sample: OpenSample, blobs: BlobStore, segmenter: PointSegmenter | None
) -> bytes:
    """Apply the request's action to its mask; UserError when mask, stroke or points don't fit the sample.

    `point` is refused without a `segmenter`.
    """
    from manifests.pixels.images import decode_image  # here: the server starts without OpenCV
    from manifests.pixels.masks import encode_mask
    from review_ui.repair import clean_up
    from review_ui.repair.point_prompt import apply_points
    from review_ui.repair.smart_stroke import apply_smart_stroke

    action = request.action
    mask = read_mask_png(request.mask)
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
    path = blobs.local_file(sample.image_sha256)
    if path is None:
        raise UserError(f"expected the image {sample.image_sha256[:12]} among the blobs, found none")
    if action == "point":
        if segmenter is None:
            raise UserError("expected a server with a point segmenter, found none; start it with --segmenter DIR")
        rgb, digest = decode_image(path.read_bytes()), sample.image_sha256
        return encode_mask(apply_points(rgb, mask, request.points, request.labels, segmenter, image_sha256=digest))
    stroke = Stroke(request.points, request.radius)
    return encode_mask(apply_smart_stroke(decode_image(path.read_bytes()), mask, stroke, is_person=action == "person"))
