"""A tiny ONNX network with its JSON description, made here: person is what is red."""

import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper

DESCRIPTION = {
    "input": {
        "height": 32,
        "width": 48,
        "layout": "nhwc",
        "colour_order": "rgb",
        "mean": [0, 0, 0],
        "std": [255, 255, 255],
    },
    "output": {"kind": "probability", "layout": "nhwc", "person_channel": 0},
}


def red_is_person(path: Path, *, softmax: bool = False, batch: int | str = 1) -> Path:
    """An ONNX network whose person probability, or logits of background and person, come from the red channel."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 32, 48, 3])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    starts, ends, axes = (
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("starts", 0), ("ends", 2 if softmax else 1), ("axes", 3))
    )
    node = helper.make_node("Slice", ["x", "starts", "ends", "axes"], ["y"])
    graph = helper.make_graph([node], "red", inputs, outputs, [starts, ends, axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)
    path.with_suffix(".json").write_text(json.dumps(DESCRIPTION))
    return path
