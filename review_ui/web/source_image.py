"""The source image around a sample: all of it, small enough for a screen, and where in it the sample lies."""

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.store.manifest import Manifest
from review_ui.queue.open_samples import OpenSample

MAX_SIDE_PX = 1600
_COLUMNS = ("sample_id", "source_uri", "source_sha256", "roi_x", "roi_y", "roi_w", "roi_h")


def source_view(manifest: Manifest, sample: OpenSample) -> dict[str, Any]:
    """The upright source image as base64 of a JPEG, its width and height in source pixels, and the sample's ROI there.

    Raises UserError when the image isn't a file of this machine any more, or has other bytes than when it was labelled.
    """
    import cv2  # here: the server starts without OpenCV

    from manifests.pixels.image_files import read_file
    from manifests.pixels.images import decode_image, encode_jpeg

    table = manifest.read(_COLUMNS)
    [row] = table.filter(pc.equal(table["sample_id"], sample.sample_id)).to_pylist()
    uri = row["source_uri"]
    if "://" in uri:
        raise UserError(f"expected a source image on this machine, found it at {uri}; open it there")
    data = read_file(Path(uri))
    if hashlib.sha256(data).hexdigest() != row["source_sha256"]:
        raise UserError(f"expected the source image as it was labelled, found other bytes in {uri}")
    rgb = decode_image(data)
    height, width = rgb.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(width, height))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    roi = {side: row[f"roi_{side}"] for side in "xywh"}
    return {"image": b64encode(encode_jpeg(rgb)).decode(), "width": width, "height": height, "roi": roi}
