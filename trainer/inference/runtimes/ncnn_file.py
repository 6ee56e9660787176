"""An exported network in ncnn, on the CPU, in float32."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.files.json_text import parse_json
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.inference.runtimes.metadata import INPUT, OUTPUT, Metadata
from trainer.inference.runtimes.packages import optional
from trainer.inference.runtimes.square import prob_of_square


class NcnnFile:
    """NAME.ncnn.param with NAME.ncnn.bin and NAME.ncnn.json beside it; UserError when one is missing or damaged.

    `threads` are those of one image, None for one per core. `digest` is of the three files.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        ncnn = optional("ncnn")
        files = [path, path.with_suffix(".bin"), path.with_suffix(".json")]
        for file in files:
            if not file.is_file():
                names = ", ".join(file.name for file in files)
                raise UserError(f"expected an ncnn network that trainer.export wrote, {names}, found no {file}")
        try:
            strings = parse_json(files[2].read_bytes())
        except ValueError as error:
            raise UserError(f"expected JSON in {files[2]}, found: {error}") from error
        self.metadata = Metadata.from_strings(strings, files[2])
        self._ncnn = ncnn
        self._net = ncnn.Net()
        if threads:
            self._net.opt.num_threads = threads
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(self._net.opt, option, False)
        if self._net.load_param(str(path)) or self._net.load_model(str(files[1])):
            raise UserError(f"expected an ncnn network at {path}, found another or a damaged one")
        self.digest = sha256_hex(b"".join(file.read_bytes() for file in files))

    def person_prob(self, rgb: Pixels) -> Prob:
        return prob_of_square(self.run, rgb, self.metadata.input_px)

    def run(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """RGB uint8 (1, 3, S, S) -> person probability (1, 1, S, S)."""
        pixels = np.ascontiguousarray(batch[0], np.float32)
        extractor = self._net.create_extractor()
        extractor.input(INPUT, self._ncnn.Mat(pixels))
        status, output = extractor.extract(OUTPUT)
        if status:
            raise RuntimeError(f"ncnn stopped with status {status}")
        return np.array(output)[None]
