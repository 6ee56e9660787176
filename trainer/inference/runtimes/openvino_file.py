"""An exported network in OpenVINO, on the CPU, in float32."""

from pathlib import Path
from typing import Any

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

METADATA = "maskfoundry"  # in the model's rt_info
FLOAT32 = "f32"  # its own choice, bf16 where the CPU has it, moves masks


class OpenvinoFile:
    """NAME.xml with NAME.bin beside it; UserError when one is missing or damaged.

    `threads` are those of one image, None for one per core. `digest` is of both files.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        openvino = optional("openvino")
        weights = path.with_suffix(".bin")
        for file in (path, weights):
            if not file.is_file():
                raise UserError(f"expected an OpenVINO model, {path.name} and {weights.name}, found no {file}")
        core = openvino.Core()
        try:
            model = core.read_model(path)
            strings = parse_json(model.get_rt_info(METADATA).astype(str))
        except (RuntimeError, ValueError) as error:
            raise UserError(
                f"expected an OpenVINO model that trainer.export wrote at {path}, found another or a damaged one"
            ) from error
        self.metadata = Metadata.from_strings(strings, path)
        self._request = infer_request(core, model, threads=threads)
        self.digest = sha256_hex(path.read_bytes() + weights.read_bytes())

    def person_prob(self, rgb: Pixels) -> Prob:
        return prob_of_square(self.run, rgb, self.metadata.input_px)

    def run(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """RGB uint8 (1, 3, S, S) -> person probability (1, 1, S, S)."""
        self._request.infer([np.ascontiguousarray(batch)])
        return np.array(self._request.get_output_tensor().data)


def infer_request(core: Any, model: Any, *, threads: int | None) -> Any:
    """Compile an openvino.Model for one image at a time on the CPU, in float32."""
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": FLOAT32, "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    return core.compile_model(model, "CPU", settings).create_infer_request()
