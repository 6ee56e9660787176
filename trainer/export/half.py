"""NAME-fp16.onnx: weights and sums in half precision, image and probability unchanged."""

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from trainer.export.onnx_graph import quiet


def write_half(onnx_path: Path, path: Path) -> None:
    """Halve the bytes, for GPUs and NPUs; a CPU converts and computes in float32 all the same."""
    model = onnx.load(onnx_path)
    _give_each_its_own_scales(model)
    with quiet():
        model = convert_float_to_float16(model, keep_io_types=True)
    OnnxModel(model).topological_sort()
    del model.graph.value_info[:]  # some of them still say float32
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _give_each_its_own_scales(model: onnx.ModelProto) -> None:
    """Copy shared scales: the converter adds a cast before every Resize, under one name where scales are shared."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        if node.op_type == "Resize" and len(node.input) > 2 and node.input[2] in constants:
            own = onnx.TensorProto()
            own.CopyFrom(constants[node.input[2]])
            own.name = f"{own.name}_{number}"
            model.graph.initializer.append(own)
            node.input[2] = own.name
