"""Masks that reviewers repaired: base64 of a PNG in a client's decision -> a blob.

The file is decoded and encoded again, so what a browser wrote into it beside the pixels never reaches the data root.
"""

import base64
from collections.abc import Sequence

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.files.storage import reaching
from manifests.pixels.geometry import Pixels
from review_ui.queue.submission import Refused, RepairedMask

MAX_MASK_CHARACTERS = 32 * 2**20  # 24 MB of PNG: more than any mask of MAX_MEGAPIXELS takes


def with_stored_masks(batch: Sequence[object], blobs: BlobStore) -> list[object]:
    """A batch of decisions in which each `mask` is a RepairedMask, or the Refused that says why it can't be one."""
    return [_with_stored_mask(raw, blobs) for raw in batch]


def _with_stored_mask(raw: object, blobs: BlobStore) -> object:
    if not isinstance(raw, dict) or raw.get("mask") is None:
        return raw
    try:
        begun = raw.get("chosen_mask_sha256") or raw.get("mask_sha256")
        return raw | {"mask": _store(raw["mask"], begun, blobs)}
    except Refused as refusal:
        return raw | {"mask": refusal}


def read_mask_png(text: object) -> Pixels:
    """Base64 of an 8-bit grey PNG -> mask uint8 (H, W); Refused when it is anything else."""
    from manifests.pixels.images import MAX_MEGAPIXELS, opened  # here: the server starts without them
    from manifests.pixels.masks import decode_mask

    if not isinstance(text, str) or len(text) > MAX_MASK_CHARACTERS:
        raise Refused(f"expected a mask as base64 of at most {MAX_MASK_CHARACTERS:,} characters, found {_found(text)}")
    try:
        data = base64.b64decode(text, validate=True)
        with opened(data) as image:
            kind, size = image.format, image.size
    except Exception as error:  # on damaged bytes Pillow raises anything
        raise Refused("expected a mask as base64 of a PNG, found something else") from error
    if kind != "PNG" or size[0] * size[1] > MAX_MEGAPIXELS * 1_000_000:
        raise Refused(f"expected a PNG of at most {MAX_MEGAPIXELS} megapixels, found {kind} of {size[0]}x{size[1]}")
    try:
        return decode_mask(data)
    except UserError as error:
        raise Refused(str(error)) from error


def _store(text: object, shown_sha256: object, blobs: BlobStore) -> RepairedMask:
    from manifests.pixels.masks import PERSON_LEVEL, decode_mask, encode_mask
    from manifests.pixels.metrics import mask_iou

    mask = read_mask_png(text)
    if not (mask >= PERSON_LEVEL).any():
        raise Refused("expected a repaired mask with a person in it, found none; reject the mask instead")
    path = blobs.local_file(str(shown_sha256))
    if path is None:
        raise Refused(f"expected the mask that was repaired among the blobs, found no {ascii(shown_sha256)[:14]}")
    shown = decode_mask(path.read_bytes())
    same_size = shown.shape == mask.shape  # other sizes are refused where the sample is known
    iou = mask_iou(mask >= PERSON_LEVEL, shown >= PERSON_LEVEL) if same_size else 0.0
    height, width = mask.shape
    with reaching(blobs.root):
        blob = blobs.put(encode_mask(mask), ".png")
    return RepairedMask(blob.sha256, width, height, iou)


def _found(text: object) -> str:
    return f"{len(text):,} characters" if isinstance(text, str) else ascii(text)[:60]
