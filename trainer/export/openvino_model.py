"""NAME.xml and NAME.bin: OpenVINO's own format, from the ONNX file, weights in float32."""

import json
from pathlib import Path

from trainer.export.onnx_graph import quiet
from trainer.inference.runtimes.metadata import Metadata
from trainer.inference.runtimes.openvino_file import METADATA
from trainer.inference.runtimes.packages import optional


def write_openvino(onnx_path: Path, path: Path, metadata: Metadata) -> None:
    openvino = optional("openvino")
    with quiet():
        model = openvino.convert_model(onnx_path)
        model.set_rt_info(json.dumps(metadata.as_strings()), METADATA)
        openvino.save_model(model, path, compress_to_fp16=False)
