"""NAME.tflite, and NAME-fp16.tflite and NAME-int8.tflite: the deployable network in TFLite's format.

`image` takes RGB pixels 0..255 as floats (1, S, S, 3), `person_prob` is float32 (1, S, S, 1), in each precision.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import GraphProto, TensorProto, helper, numpy_helper

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from trainer.export.tflite.operations import translate
from trainer.export.tflite.ranges import UnknownOperation, value_ranges
from trainer.inference.runtimes.metadata import INPUT, Metadata


def tflite_graph(onnx_path: Path) -> onnx.ModelProto:
    """The graph that the files are written from: an ONNX file's, of fixed sides, for floats.

    With channels last, one convolution of one output channel is faster than a depthwise one and a sum.
    """
    model = onnx.load(onnx_path)
    _take_floats(model.graph)
    _join_channel_sums(model.graph)
    del model.graph.value_info[:]  # inferred again
    return model


def write_tflite(graph: onnx.ModelProto, path: Path, metadata: Metadata, *, half: bool = False) -> None:
    """Write the network, its weights in float16 with `half`; UserError when it has an operation not written here."""
    with _refused(metadata, "leave tflite out of --to"):
        path.write_bytes(translate(graph, half=half).to_bytes(metadata.as_strings()))


def write_int8_tflite(graph: onnx.ModelProto, path: Path, metadata: Metadata, photographs: Sequence[Pixels]) -> None:
    """Write the network in 8 bits, their scales from `photographs`, RGB uint8 (H, W, 3); UserError likewise."""
    with _refused(metadata, "leave int8 out of --precision, or tflite out of --to"):
        ranges = value_ranges(graph, photographs, side_px=metadata.input_px)
        path.write_bytes(translate(graph, ranges=ranges).to_bytes(metadata.as_strings()))


@contextmanager
def _refused(metadata: Metadata, remedy: str) -> Iterator[None]:
    """Turn an UnknownOperation into a UserError with the remedy."""
    try:
        yield
    except UnknownOperation as error:
        raise UserError(
            f"expected a network that the TFLite file can hold, found {metadata.model}: {error}; {remedy}"
        ) from error


def _take_floats(graph: GraphProto) -> None:
    """Remove the cast of the image, in place."""
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] == INPUT]
    graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    for cast in casts:
        graph.node.remove(cast)
        for node in graph.node:
            node.input[:] = [INPUT if name == cast.output[0] else name for name in node.input]


def _join_channel_sums(graph: GraphProto) -> None:
    """Make a depthwise convolution whose channels are summed a convolution of one output channel, in place."""
    constants = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    convolutions = {node.output[0]: node for node in graph.node if node.op_type == "Conv" and len(node.input) == 2}
    for node in list(graph.node):
        source = convolutions.get(node.input[0])
        if node.op_type != "ReduceSum" or source is None or uses[node.input[0]] > 1:
            continue
        axes, weight = constants.get(node.input[1]), constants[source.input[1]]  # weight (C, 1, k, k)
        groups = next((attribute.i for attribute in source.attribute if attribute.name == "group"), 1)
        flat = any(attribute.name == "keepdims" and not attribute.i for attribute in node.attribute)
        if flat or axes is None or axes.tolist() != [1] or groups != len(weight):
            continue
        name = f"{node.output[0]}_weight"
        graph.initializer.append(numpy_helper.from_array(weight.transpose(1, 0, 2, 3), name))
        kept = [attribute for attribute in source.attribute if attribute.name != "group"]
        joined = helper.make_node("Conv", [source.input[0], name], [node.output[0]])
        joined.attribute.extend(kept)
        graph.node[list(graph.node).index(node)].CopyFrom(joined)
        graph.node.remove(source)
