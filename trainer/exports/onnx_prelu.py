"""PReLU as ONNX Runtime computes it fastest on CPUs: x + relu(-(1 - slope) x), the product a depthwise 1x1 convolution.

Its own PRelu knows neither the blocked layout of its convolutions, so that each stands between two reorderings, nor
vector instructions; together they were more than half of SINet's time. The sum is exact where no slope is above 1.
Other runtimes fuse PRelu as it is, and are given it.
"""

from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper


def rewrite_prelus(onnx_path: Path, path: Path) -> None:
    """Write the network of `onnx_path` to `path`, the same function up to rounding; slopes above 1 keep their PRelu."""
    model = onnx.load(onnx_path)
    constants = {constant.name: constant for constant in model.graph.initializer}
    nodes = [
        rewritten
        for node in model.graph.node
        for rewritten in (_rewritten(node, constants) if node.op_type == "PRelu" else [node])
    ]
    used = {name for node in nodes for name in node.input}
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.initializer[:]
    model.graph.initializer.extend(constant for name, constant in constants.items() if name in used)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _rewritten(node: NodeProto, constants: dict[str, TensorProto]) -> list[NodeProto]:
    """Adds its weights to `constants`."""
    source, slope_name = node.input
    if slope_name not in constants:
        return [node]
    slopes = numpy_helper.to_array(constants[slope_name])
    if slopes.max() > 1 or slopes.shape[-2:] != (1, 1):
        return [node]
    name = node.output[0]
    weight = (slopes - 1).reshape(-1, 1, 1, 1)
    constants[f"{name}_weight"] = numpy_helper.from_array(weight, f"{name}_weight")
    return [
        helper.make_node("Conv", [source, f"{name}_weight"], [f"{name}_below"], group=len(weight), kernel_shape=[1, 1]),
        helper.make_node("Relu", [f"{name}_below"], [f"{name}_added"]),
        helper.make_node("Add", [source, f"{name}_added"], [name]),
    ]
