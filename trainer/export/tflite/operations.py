"""Each ONNX operation -> TFLite operations, (N, C, H, W) -> (N, H, W, C).

The graph's values must have four axes: TFLite's own order then needs no transpose anywhere. In 8 bits every value has
the scale of its range, and a bias that of its input times its weights.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, numpy_helper, shape_inference

from trainer.export.tflite.flatbuffer import Quantisation, TfliteGraph
from trainer.export.tflite.ranges import Range, UnknownOperation
from trainer.inference.runtimes.metadata import INPUT, OUTPUT

AXES = (0, 3, 1, 2)  # where TFLite has the axes of ONNX
LEVELS = 255  # steps of 8 bits
WEIGHT_LEVELS = 127  # on either side of 0
LARGEST_BIAS = 2**30  # as an integer of 32 bits
PADDINGS = {"SAME": 0, "VALID": 1}  # the schema's

Array = npt.NDArray[Any]


def translate(
    model: onnx.ModelProto, *, half: bool = False, ranges: Mapping[str, Range] | None = None
) -> "Translation":
    """The graph of float32 `image` -> `person_prob`; UnknownOperation names what it can't hold.

    `half` stores the convolutions' weights as float16; `ranges` makes the values between image and probability int8.
    """
    translation = Translation(model, half=half, ranges=ranges)
    for node in translation.nodes:
        if node.op_type not in OPERATIONS:
            raise UnknownOperation(node.op_type)
        OPERATIONS[node.op_type](translation, node)
    return translation


class Translation:
    """The ONNX values' shapes, and the tensors that hold them so far."""

    def __init__(self, model: onnx.ModelProto, *, half: bool, ranges: Mapping[str, Range] | None) -> None:
        graph = shape_inference.infer_shapes(model).graph
        self.nodes = list(graph.node)
        self._constants = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
        self.shapes = {
            value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self.graph = TfliteGraph()
        self.half, self.ranges = half, ranges
        self._uses = Counter(name for node in self.nodes for name in node.input)
        self._tensors: dict[str, int] = {}
        self.image = self.graph.activation(INPUT, self.nhwc(INPUT))
        self._tensors[INPUT] = self.image
        if ranges is not None:
            self.graph.operator("QUANTIZE", [self.image], self.output(INPUT))

    def to_bytes(self, metadata: Mapping[str, str]) -> bytes:
        prob = self._tensors[OUTPUT]
        if self.ranges is not None:
            quantised, prob = prob, self.graph.activation(OUTPUT, self.nhwc(OUTPUT))
            self.graph.operator("DEQUANTIZE", [quantised], prob)
        return self.graph.to_bytes(inputs={INPUT: self.image}, outputs={OUTPUT: prob}, metadata=metadata)

    def nhwc(self, name: str) -> tuple[int, ...]:
        """A value's shape in TFLite's order."""
        shape = self.shapes.get(name, ())
        if len(shape) != 4 or 0 in shape:
            raise UnknownOperation(f"a value of shape {shape or 'unknown'}, not (N, C, H, W)")
        return shape[0], shape[2], shape[3], shape[1]

    def input(self, name: str) -> int:
        """The tensor of a value, or of a constant that broadcasts against one."""
        if name not in self._tensors:
            values = self.constant(name)
            values = values.reshape((1,) * (4 - values.ndim) + values.shape).transpose(0, 2, 3, 1)
            self._tensors[name] = self.parameters(name, values.astype(np.float32))
        return self._tensors[name]

    def constant(self, name: str) -> Array:
        """An operand that the file stores; UnknownOperation when the graph computes it."""
        if name not in self._constants:
            raise UnknownOperation(f"weights or sizes that the graph computes ({name})")
        return self._constants[name]

    def output(self, name: str, *, like: str | None = None, shape: tuple[int, ...] | None = None) -> int:
        """A new tensor for a value, in the scale of its own range or of the value `like`."""
        shape = shape or self.nhwc(name)
        if self.ranges is None:
            tensor = self.graph.activation(name, shape)
        else:
            scale = self.quantisation(like or name)
            tensor = self.graph.activation(f"{name}_int8", shape, dtype="int8", quantisation=scale)
        self._tensors[name] = tensor
        return tensor

    def alias(self, name: str, source: str) -> None:
        """`name` is the value `source`, whose other users use it, too."""
        self._tensors[name] = self.input(source)
        self._uses[name] += self._uses[source] - 1

    def activate(self, kind: str, node: NodeProto) -> None:
        """Add RELU or RELU6; in float32 it becomes part of the operation before it when nothing else uses that."""
        source, result = node.input[0], node.output[0]
        if self.ranges is None and self._uses[source] == 1 and self.graph.fuse(self.input(source), kind):
            self.alias(result, source)
        else:
            self.graph.operator(kind, [self.input(source)], self.output(result))

    def quantisation(self, name: str) -> Quantisation:
        assert self.ranges is not None
        return _of_range(*self.ranges[name])

    def parameters(self, name: str, values: Array) -> int:
        """A constant in the type of the values."""
        if self.ranges is None:
            return self.graph.constant(name, values)
        scale = _of_range(float(values.min()), float(values.max()))
        return self.graph.constant(name, scale.stored(values, np.int8), quantisation=scale)

    def weights(self, name: str, weight: Array, bias: Array, source: str, *, axis: int) -> tuple[int, int]:
        """A convolution's weights, whose output channels are `axis`, and its bias (C,), on the value `source`."""
        if self.ranges is not None:
            return self._int8_weights(name, weight, bias, source, axis=axis)
        added = self.graph.constant(f"{name}_bias", bias)
        if not self.half:
            return self.graph.constant(f"{name}_weight", weight), added
        stored = self.graph.constant(f"{name}_weight_float16", weight.astype(np.float16))
        restored = self.graph.activation(f"{name}_weight", weight.shape)
        self.graph.operator("DEQUANTIZE", [stored], restored)
        return restored, added

    def _int8_weights(self, name: str, weight: Array, bias: Array, source: str, *, axis: int) -> tuple[int, int]:
        input_scale = self.quantisation(source).scales[0]
        others = tuple(i for i in range(weight.ndim) if i != axis)
        largest = abs(weight.astype(np.float64)).max(axis=others) / WEIGHT_LEVELS
        scales = np.maximum(largest, abs(bias) / input_scale / LARGEST_BIAS)
        scales[scales == 0] = 1.0  # of a channel of zeros
        by_channel, summed = Quantisation(scales, axis=axis), Quantisation(scales * input_scale)
        return (
            self.graph.constant(f"{name}_weight", by_channel.stored(weight, np.int8), quantisation=by_channel),
            self.graph.constant(f"{name}_bias", summed.stored(bias, np.int32), quantisation=summed),
        )


def _of_range(low: float, high: float) -> Quantisation:
    """Int8 for a range, which is widened to hold 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / LEVELS or 1.0
    return Quantisation(np.array([scale]), zero_point=round(-128 - low / scale))


Operation = Callable[[Translation, NodeProto], None]


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _same(kind: str) -> Operation:
    """An operation that both have, without attributes."""

    def add(translation: Translation, node: NodeProto) -> None:
        inputs = [translation.input(name) for name in node.input]
        translation.graph.operator(kind, inputs, translation.output(node.output[0]))

    return add


def _conv(translation: Translation, node: NodeProto) -> None:
    attributes = _attributes(node)
    source, result = node.input[0], node.output[0]
    weight = translation.constant(node.input[1])  # (O, I / groups, h, w)
    channels, groups = translation.nhwc(source)[3], attributes.get("group", 1)
    bias = translation.constant(node.input[2]) if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    stride_h, stride_w = attributes.get("strides", (1, 1))
    dilation_h, dilation_w = attributes.get("dilations", (1, 1))
    padded, padding = _padded(translation, node, kernel=weight.shape[2:])
    fields = {
        "padding": padding, "strideH": stride_h, "strideW": stride_w,
        "dilationHFactor": dilation_h, "dilationWFactor": dilation_w,
    }  # fmt: skip
    if groups == channels > 1:
        kind, options, axis = "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", 3
        weight = weight.transpose(1, 2, 3, 0)  # (1, h, w, O)
        fields["depthMultiplier"] = weight.shape[3] // channels
    else:
        kind, options, axis = "CONV_2D", "Conv2DOptions", 0  # TFLite sees the groups in the weights' shape
        weight = weight.transpose(0, 2, 3, 1)  # (O, h, w, I / groups)
    weights = translation.weights(result, weight, bias, source, axis=axis)
    translation.graph.operator(kind, [padded, *weights], translation.output(result), options=options, **fields)


def _padded(translation: Translation, node: NodeProto, *, kernel: tuple[int, ...]) -> tuple[int, int]:
    """The input of a window operation, padded where TFLite's own padding differs, and the kind of that."""
    attributes, source = _attributes(node), node.input[0]
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or attributes.get("ceil_mode"):
        raise UnknownOperation(f"{node.op_type} with auto_pad or ceil_mode")
    shape, outputs = translation.nhwc(source), translation.nhwc(node.output[0])[1:3]
    strides, dilations = attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1))
    before = attributes.get("pads", (0, 0, 0, 0))[:2]
    needed = [  # in all, of which TFLite's SAME puts the smaller half before
        max((count - 1) * stride + (size - 1) * dilation + 1 - side, 0)
        for count, stride, size, dilation, side in zip(outputs, strides, kernel, dilations, shape[1:3], strict=True)
    ]
    if not any((*before, *needed)):
        return translation.input(source), PADDINGS["VALID"]
    counts = [-(-side // stride) for side, stride in zip(shape[1:3], strides, strict=True)]
    if list(outputs) == counts and [total // 2 for total in needed] == list(before):
        return translation.input(source), PADDINGS["SAME"]
    if node.op_type != "Conv":
        raise UnknownOperation(f"{node.op_type} with padding")
    top, left = before
    bottom, right = (max(total - first, 0) for total, first in zip(needed, before, strict=True))
    widths = translation.graph.constant(
        f"{node.output[0]}_pads", np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    )
    padded = (shape[0], shape[1] + top + bottom, shape[2] + left + right, shape[3])
    tensor = translation.output(f"{node.output[0]}_padded", like=source, shape=padded)
    translation.graph.operator("PAD", [translation.input(source), widths], tensor, options="PadOptions")
    return tensor, PADDINGS["VALID"]


def _pool(kind: str) -> Operation:
    def add(translation: Translation, node: NodeProto) -> None:
        attributes = _attributes(node)
        if set(attributes.get("dilations", (1,))) != {1}:
            raise UnknownOperation(f"{node.op_type} with dilation")
        height, width = attributes["kernel_shape"]
        stride_h, stride_w = attributes.get("strides", (1, 1))
        padded, padding = _padded(translation, node, kernel=(height, width))
        if kind == "AVERAGE_POOL_2D" and padding == PADDINGS["SAME"]:
            raise UnknownOperation(f"{node.op_type} with padding")  # TFLite doesn't count it, torch does
        translation.graph.operator(
            kind, [padded], translation.output(node.output[0]), options="Pool2DOptions", padding=padding,
            strideH=stride_h, strideW=stride_w, filterHeight=height, filterWidth=width,
        )  # fmt: skip

    return add


def _prelu(translation: Translation, node: NodeProto) -> None:
    source, result = node.input[0], node.output[0]
    channels = translation.nhwc(source)[3]
    slopes = np.broadcast_to(translation.constant(node.input[1]).reshape(-1), (channels,)).reshape(1, 1, channels)
    alpha = translation.parameters(f"{result}_slopes", slopes)
    translation.graph.operator("PRELU", [translation.input(source), alpha], translation.output(result))


def _clip(translation: Translation, node: NodeProto) -> None:
    low, high = (translation.constant(name).item() if name else None for name in (*node.input[1:], "", "")[:2])
    if (low, high) != (0, 6):
        raise UnknownOperation(f"Clip to {low} and {high}, not 0 and 6")
    translation.activate("RELU6", node)


def _hard_sigmoid(translation: Translation, node: NodeProto) -> None:
    """relu6(x + 3) / 6."""
    attributes, source, result = _attributes(node), node.input[0], node.output[0]
    slope, middle = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    if translation.ranges is not None:
        raise UnknownOperation("HardSigmoid, in 8 bits")
    if not np.allclose((slope, middle), (1 / 6, 0.5)):
        raise UnknownOperation(f"HardSigmoid of slope {slope:.3f}")
    shape = translation.nhwc(source)
    moved, clipped = (translation.graph.activation(f"{result}_{name}", shape) for name in ("moved", "clipped"))
    three, sixth = (
        translation.graph.constant(f"{result}_{name}", np.full((1, 1, 1, 1), value, np.float32))
        for name, value in (("three", 3), ("sixth", 1 / 6))
    )
    translation.graph.operator("ADD", [translation.input(source), three], moved)
    translation.graph.operator("RELU6", [moved], clipped)
    translation.graph.operator("MUL", [clipped, sixth], translation.output(result))


def _concat(translation: Translation, node: NodeProto) -> None:
    inputs = [translation.input(name) for name in node.input]
    translation.graph.operator(
        "CONCATENATION", inputs, translation.output(node.output[0]), options="ConcatenationOptions",
        axis=AXES[_attributes(node)["axis"] % 4],
    )  # fmt: skip


def _reduce(kind: str) -> Operation:
    def add(translation: Translation, node: NodeProto) -> None:
        attributes = _attributes(node)
        if node.op_type == "GlobalAveragePool":
            axes = [2, 3]
        elif len(node.input) > 1:
            axes = translation.constant(node.input[1]).tolist()
        else:
            axes = list(attributes.get("axes", range(4)))
        if not attributes.get("keepdims", 1):
            raise UnknownOperation(f"{node.op_type} without keepdims")
        own = translation.graph.constant(
            f"{node.output[0]}_axes", np.array(sorted(AXES[axis % 4] for axis in axes), np.int32)
        )
        translation.graph.operator(
            kind, [translation.input(node.input[0]), own], translation.output(node.output[0]),
            options="ReducerOptions", keepDims=True,
        )  # fmt: skip

    return add


RESIZES = {  # (mode, coordinates) -> operator, and the fields of its options
    ("linear", "align_corners"): ("RESIZE_BILINEAR", {"alignCorners": True}),
    ("linear", "half_pixel"): ("RESIZE_BILINEAR", {"halfPixelCenters": True}),
    ("linear", "pytorch_half_pixel"): ("RESIZE_BILINEAR", {"halfPixelCenters": True}),
    ("nearest", "asymmetric"): ("RESIZE_NEAREST_NEIGHBOR", {}),
}


def _resize(translation: Translation, node: NodeProto) -> None:
    attributes = _attributes(node)
    mode, coordinates = (
        attributes.get(name, default).decode()
        for name, default in (("mode", b"nearest"), ("coordinate_transformation_mode", b"half_pixel"))
    )
    if (mode, coordinates) not in RESIZES or (mode == "nearest" and attributes.get("nearest_mode") != b"floor"):
        raise UnknownOperation(f"Resize, {mode}, {coordinates}")
    kind, fields = RESIZES[mode, coordinates]
    size = translation.graph.constant(
        f"{node.output[0]}_size", np.array(translation.nhwc(node.output[0])[1:3], np.int32)
    )
    options = "ResizeBilinearOptions" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    inputs = [translation.input(node.input[0]), size]
    translation.graph.operator(kind, inputs, translation.output(node.output[0]), options=options, **fields)


def _slice(translation: Translation, node: NodeProto) -> None:
    source, result = node.input[0], node.output[0]
    starts, _, *more = (translation.constant(name).tolist() for name in node.input[1:])
    axes, *steps = more or [list(range(len(starts)))]
    if steps and set(steps[0]) != {1}:
        raise UnknownOperation("Slice with steps")
    shape, begin = translation.nhwc(source), [0, 0, 0, 0]
    for start, axis in zip(starts, axes, strict=True):
        own = AXES[axis % 4]
        begin[own] = min(max(0, start + shape[own] if start < 0 else start), shape[own])
    if translation.nhwc(result) == shape:
        translation.alias(result, source)
        return
    bounds = [
        translation.graph.constant(f"{result}_{name}", np.array(values, np.int32))
        for name, values in (("begin", begin), ("size", translation.nhwc(result)))
    ]
    translation.graph.operator(
        "SLICE", [translation.input(source), *bounds], translation.output(result), options="SliceOptions"
    )


def _negated(translation: Translation, node: NodeProto) -> None:
    """NEG; in 8 bits, which it lacks, MUL by -1."""
    if translation.ranges is None:
        _same("NEG")(translation, node)
        return
    factor = translation.parameters(f"{node.output[0]}_factor", np.full((1, 1, 1, 1), -1, np.float32))
    translation.graph.operator("MUL", [translation.input(node.input[0]), factor], translation.output(node.output[0]))


OPERATIONS: dict[str, Operation] = {
    "Abs": _same("ABS"),
    "Add": _same("ADD"),
    "AveragePool": _pool("AVERAGE_POOL_2D"),
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _same("DIV"),
    "GlobalAveragePool": _reduce("MEAN"),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _same("HARD_SWISH"),
    "MaxPool": _pool("MAX_POOL_2D"),
    "Mul": _same("MUL"),
    "Neg": _negated,
    "PRelu": _prelu,
    "ReduceMax": _reduce("REDUCE_MAX"),
    "ReduceMean": _reduce("MEAN"),
    "ReduceSum": _reduce("SUM"),
    "Relu": lambda translation, node: translation.activate("RELU", node),
    "Resize": _resize,
    "Sigmoid": _same("LOGISTIC"),
    "Slice": _slice,
    "Sub": _same("SUB"),
}
