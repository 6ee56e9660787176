"""Image -> embedding: RGB uint8 (H, W, 3) -> float32 (D,) of length 1, by the encoder that this package ships."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests.files.blobs import sha256_hex
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import open_session, squeeze

ENCODER_PATH = Path(__file__).with_name("encoder.onnx")

Vector = npt.NDArray[np.float32]


class ImageEncoder:
    """`name` identifies the weights: embeddings of different encoders can't be compared."""

    def __init__(self, path: Path = ENCODER_PATH) -> None:
        self._session = open_session(path, threads=1)
        self.name = sha256_hex(path.read_bytes())[:12]
        self._height, self._width = self._session.get_inputs()[0].shape[2:]
        self.dimensions: int = self._session.get_outputs()[0].shape[1]

    def embed(self, rgb: Pixels) -> Vector:
        """RGB uint8 (H, W, 3) -> (D,) of length 1; the aspect is not kept."""
        pixels = squeeze(rgb, self._height, self._width).transpose(2, 0, 1)[None]
        [batch] = self._session.run(None, {self._session.get_inputs()[0].name: np.ascontiguousarray(pixels)})
        return np.asarray(batch[0], np.float32)
