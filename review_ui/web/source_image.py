"""The source image around a sample: all of it, small enough for a screen, and where in it the sample lies."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.store.manifest import Manifest
from review_ui.queue.open_samples import OpenSample

MAX_SIDE_PX = 1600
_COLUMNS = ("sample_id", "source_uri", "source_sha256", "roi_x", "roi_y", "roi_w", "roi_h")


def source_view(manifest: Manifest, sample: OpenSample) -> dict[str, Any]:
    """The upright source image as base64 of a JPEG, its width and height in source pixels, and the sample's ROI there.

    UserError when the image isn't a file of this machine any more, or has other bytes than when it was labelled.
    """
    from PIL import Image  # here, as below: the server starts without

    from manifests.pixels.image_files import read_file
    from manifests.pixels.images import decode_image, encode_jpeg

    [row] = manifest.read(_COLUMNS, only={"sample_id": sample.sample_id}).to_pylist()
    uri = row["source_uri"]
    if "://" in uri:
        raise UserError(f"expected a source image on this machine, found it at {uri}; open it there")
    data = read_file(Path(uri))
    if sha256_hex(data) != row["source_sha256"]:
        raise UserError(f"expected the source image as it was labelled, found other bytes in {uri}")
    rgb = decode_image(data)
    height, width = rgb.shape[:2]
    small = Image.fromarray(rgb)
    small.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.BOX)
    roi = {side: row[f"roi_{side}"] for side in "xywh"}
    return {"image": b64encode(encode_jpeg(np.asarray(small))).decode(), "width": width, "height": height, "roi": roi}
