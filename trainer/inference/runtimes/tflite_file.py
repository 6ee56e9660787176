"""An exported network in LiteRT, TFLite's runtime, on the CPU (XNNPACK)."""

import contextlib
import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.files.json_text import parse_json
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.inference.runtimes.metadata import Metadata
from trainer.inference.runtimes.packages import optional
from trainer.inference.runtimes.square import prob_of_square

METADATA = "maskfoundry"  # the name of its entry in the model's metadata
DAMAGED = (AttributeError, IndexError, TypeError, ValueError, struct.error)  # what reading any bytes can raise
INTERPRETER, SCHEMA = "ai_edge_litert.interpreter", "ai_edge_litert.schema_py_generated"


class TfliteFile:
    """NAME.tflite; UserError when it is missing, damaged, or another's.

    `threads` are those of one image, None for one per core. `digest` is of the file.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        litert = optional(INTERPRETER)
        if not path.is_file():
            raise UserError(f"expected a TFLite model that trainer.export wrote, found no {path}")
        content = path.read_bytes()
        self.metadata = Metadata.from_strings(_metadata(content, path), path)
        try:
            self._interpreter = litert.Interpreter(model_content=content, num_threads=threads or os.cpu_count())
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise UserError(f"expected a TFLite model that LiteRT can run at {path}, found a damaged one") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self.digest = sha256_hex(content)

    def person_prob(self, rgb: Pixels) -> Prob:
        return prob_of_square(self.run, rgb, self.metadata.input_px)

    def run(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """RGB uint8 (1, 3, S, S) -> person probability (1, 1, S, S)."""
        pixels = np.ascontiguousarray(batch.transpose(0, 2, 3, 1), np.float32)
        return self.run_pixels(pixels).transpose(0, 3, 1, 2)

    def run_pixels(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """RGB 0..255 (1, S, S, 3), as the network takes them -> person probability (1, S, S, 1)."""
        self._interpreter.set_tensor(self._input, pixels)
        self._interpreter.invoke()
        prob: npt.NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        return prob


def _metadata(content: bytes, path: Path) -> dict[str, str]:
    """UserError when the file has none of ours."""
    schema = optional(SCHEMA)
    with contextlib.suppress(*DAMAGED):
        model = schema.Model.GetRootAs(content)
        for i in range(model.MetadataLength()):
            entry = model.Metadata(i)
            if entry.Name() == METADATA.encode():
                strings: dict[str, str] = parse_json(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
                return strings
    raise UserError(f"expected a TFLite model that trainer.export wrote at {path}, found another or a damaged one")
