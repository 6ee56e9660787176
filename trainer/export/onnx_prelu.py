"""PReLU as ONNX Runtime computes it fastest on CPUs: x + relu(-|1 - slope| x), the product a depthwise 1x1 convolution.

Its own PRelu supports neither the blocked layout of its convolutions, so that each stands between two reorderings, nor
vector instructions; together they took more than half of SINet's time. Channels with a slope above 1 are subtracted:
relu's result passes another depthwise 1x1 convolution, of 1 and -1. Other runtimes fuse PRelu itself and keep it.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper


def rewrite_prelus(onnx_path: Path, path: Path) -> None:
    """Write the network of `onnx_path` to `path`, the same function up to rounding.

    A PRelu with one slope for all channels stays.
    """
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
    """The nodes that compute a PRelu; adds their weights to `constants`."""
    source, slope_name = node.input
    if slope_name not in constants:
        return [node]
    slopes = numpy_helper.to_array(constants[slope_name])
    if slopes.shape[-2:] != (1, 1) or slopes.size == 1:  # one for all channels: their number isn't known here
        return [node]
    name, change = node.output[0], (slopes - 1).reshape(-1, 1, 1, 1)

    def scaled(tensor: str, output: str, factors: np.ndarray) -> NodeProto:
        constants[f"{output}_weight"] = numpy_helper.from_array(factors, f"{output}_weight")
        return helper.make_node("Conv", [tensor, f"{output}_weight"], [output], group=len(factors), kernel_shape=[1, 1])

    below, added, signed = f"{name}_below", f"{name}_added", f"{name}_signed"
    nodes = [scaled(source, below, -abs(change)), helper.make_node("Relu", [below], [added])]
    if change.max() > 0:
        nodes.append(scaled(added, signed, np.where(change > 0, -1, 1).astype(change.dtype)))
        added = signed
    return [*nodes, helper.make_node("Add", [source, added], [name])]
