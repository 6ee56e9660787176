"""NAME-fp16.onnx: weights and sums in half precision, image and probability as they were."""

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from trainer.exports.onnx_graph import quiet


def write_half(onnx_path: Path, path: Path) -> None:
    """Half the bytes. A CPU computes in float32 all the same, and converts on the way: it is for GPUs and NPUs."""
    with quiet():
        model = convert_float_to_float16(onnx.load(onnx_path), keep_io_types=True)
    OnnxModel(model).topological_sort()
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
