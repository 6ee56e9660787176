"""The range of every value of an ONNX graph on images, from which its scales in 8 bits follow."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import squeeze
from trainer.inference.runtimes.metadata import INPUT

PIXELS = (0.0, 255.0)
PROBABILITIES = (0.0, 255 / 256)  # the range that TFLite's LOGISTIC has in 8 bits
SHARING = ("AveragePool", "Concat", "MaxPool", "ReduceMax", "Resize", "Slice")  # one scale for all operands in TFLite

Range = tuple[float, float]


class UnknownOperation(Exception):
    """An operation, or a variant of one, that the files can't hold; the text names it."""


def value_ranges(model: onnx.ModelProto, photographs: Sequence[Pixels], *, side_px: int) -> dict[str, Range]:
    """Name -> least and greatest value on RGB uint8 (H, W, 3) images, squeezed to the input's square.

    UnknownOperation where an operation that needs one scale follows a Sigmoid, whose scale is TFLite's own.
    """
    batches = (
        squeeze(rgb, side_px, side_px).transpose(2, 0, 1)[None].astype(np.float32) for rgb in photographs
    )  # (1, 3, S, S)
    ranges = _measured(model, batches) | {INPUT: PIXELS}
    _share(model, ranges)
    probabilities = {node.output[0] for node in model.graph.node if node.op_type == "Sigmoid"}
    for node in model.graph.node:
        if node.op_type in SHARING and probabilities.intersection(node.input):
            raise UnknownOperation(f"{node.op_type} of a Sigmoid, in 8 bits")
    return ranges | dict.fromkeys(probabilities, PROBABILITIES)


def _measured(model: onnx.ModelProto, batches: Iterable[npt.NDArray[np.float32]]) -> dict[str, Range]:
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output]
    del observed.graph.output[:]
    observed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(observed.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: dict[str, Range] = dict.fromkeys(names, (0.0, 0.0))
    for batch in batches:
        for name, values in zip(names, session.run(names, {INPUT: batch}), strict=True):
            low, high = ranges[name]
            ranges[name] = min(low, float(values.min())), max(high, float(values.max()))
    return ranges


def _share(model: onnx.ModelProto, ranges: dict[str, Range]) -> None:
    """Widen the ranges of values that need one scale to their union, in place."""
    groups: dict[str, set[str]] = {}
    for node in model.graph.node:
        if node.op_type not in SHARING:
            continue
        inputs = node.input if node.op_type == "Concat" else node.input[:1]
        merged = set().union(*(groups.get(name, {name}) for name in (*inputs, node.output[0])))
        groups.update(dict.fromkeys(merged, merged))
    for name, group in groups.items():
        ranges[name] = min(ranges[member][0] for member in group), max(ranges[member][1] for member in group)
