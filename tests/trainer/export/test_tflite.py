"""TFLite files: each ONNX operation computes the same there, and files that aren't an export's are refused."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from manifests.errors import UserError
from trainer.export.operation_counts import operation_counts
from trainer.export.tflite.model import tflite_graph, write_int8_tflite, write_tflite
from trainer.inference.runtimes.metadata import Metadata
from trainer.inference.runtimes.packages import optional
from trainer.inference.runtimes.tflite_file import SCHEMA, TfliteFile

SIDE_PX = 16
METADATA = Metadata(SIDE_PX, "any", "0" * 64, "any", 1, "0" * 64, "none", "0")

Constants = dict[str, np.ndarray]


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def graph_of(operation: str, constants: Constants, *, joined: bool = False, **attributes: object) -> onnx.ModelProto:
    """(1, 3, 16, 16) pixels 0..255 -> 4 channels -> the operation -> the mean of the channels, (1, 1, H, W)."""
    first = {"weight": random(4, 3, 1, 1), "hundredth": np.float32([[[[0.01]]]]), "channels": np.array([1])}
    nodes = [
        helper.make_node("Mul", ["image", "hundredth"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "weight"], ["features"]),
        helper.make_node(
            operation, ["features", *(["scaled"] if joined else []), *constants], ["result"], **attributes
        ),
        helper.make_node("ReduceMean", ["result", "channels"], ["person_prob"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes, "any",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("person_prob", TensorProto.FLOAT, list("nchw"))],
        [numpy_helper.from_array(values, name) for name, values in (first | constants).items() if name],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return onnx.shape_inference.infer_shapes(model)


def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (1, 3, SIDE_PX, SIDE_PX), np.uint8)


def in_onnxruntime(model: onnx.ModelProto, batch: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": batch.astype(np.float32)})[0]


WEIGHT = random(4, 4, 3, 3)
ALIKE = [
    ("Conv", {"w": WEIGHT, "b": random(4)}, {"pads": [1, 1, 1, 1]}),
    ("Conv", {"w": WEIGHT}, {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("Conv", {"w": WEIGHT}, {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
    ("Conv", {"w": WEIGHT}, {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    ("Conv", {"w": WEIGHT}, {"pads": [0, 2, 1, 0]}),
    ("Conv", {"w": random(6, 2, 1, 1)}, {"group": 2}),
    ("Conv", {"w": random(4, 1, 5, 5)}, {"group": 4, "pads": [2, 2, 2, 2]}),
    ("Conv", {"w": random(8, 1, 3, 3)}, {"group": 4, "pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("PRelu", {"slopes": random(4, 1, 1)}, {}),
    ("PRelu", {"slopes": np.float32([0.3])}, {}),
    ("Relu", {}, {}),
    ("Clip", {"low": np.float32(0), "high": np.float32(6)}, {}),
    ("HardSigmoid", {}, {"alpha": 1 / 6, "beta": 0.5}),
    ("HardSwish", {}, {}),
    ("ReduceMax", {"axes": np.array([2, 3])}, {"keepdims": 1}),
    ("Abs", {}, {}),
    ("Neg", {}, {}),
    ("Mul", {"c": random(4, 1, 1)}, {}),
    ("Sub", {"c": random(1, 4, 1, 1)}, {}),
    ("Div", {"c": np.float32(3)}, {}),
    ("AveragePool", {}, {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("MaxPool", {}, {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]}),
    ("GlobalAveragePool", {}, {}),
    ("ReduceMean", {"axes": np.array([-1, -2])}, {"keepdims": 1}),
    ("ReduceSum", {"axes": np.array([1])}, {"keepdims": 1}),
    ("Slice", {"starts": np.array([-3]), "ends": np.array([4]), "axes": np.array([1])}, {}),
    ("Slice", {"starts": np.array([0]), "ends": np.array([99]), "axes": np.array([2])}, {}),
]
RESIZED = [
    ("linear", "align_corners", (32, 48)),
    ("linear", "half_pixel", (32, 40)),
    ("nearest", "asymmetric", (32, 48)),
]


def names(cases: list[tuple]) -> list[str]:
    return [f"{case[0]}-{i}" for i, case in enumerate(cases)]


@pytest.mark.parametrize(("operation", "constants", "attributes"), ALIKE, ids=names(ALIKE))
def test_each_operation_computes_what_it_computes_in_onnx(
    operation: str, constants: Constants, attributes: dict[str, object], tmp_path: Path
):
    assert_alike(graph_of(operation, constants, **attributes), tmp_path)


@pytest.mark.parametrize(("mode", "coordinates", "size"), RESIZED)
def test_each_way_of_resizing_computes_what_it_computes_in_onnx(
    mode: str, coordinates: str, size: tuple[int, int], tmp_path: Path
):
    model = graph_of(
        "Resize", {"roi": np.empty(0, np.float32), "scales": np.empty(0, np.float32), "sizes": np.array([1, 4, *size])},
        mode=mode, coordinate_transformation_mode=coordinates, nearest_mode="floor",
    )  # fmt: skip
    assert_alike(model, tmp_path)


def test_maps_are_concatenated_along_the_channels(tmp_path: Path):
    assert_alike(graph_of("Concat", {}, joined=True, axis=1), tmp_path)


def assert_alike(model: onnx.ModelProto, directory: Path) -> None:
    expected = in_onnxruntime(model, pixels())
    assert expected.std() > 1e-3 or expected.size == 1
    write_tflite(model, directory / "any.tflite", METADATA)
    found = TfliteFile(directory / "any.tflite", threads=1).run(pixels())
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    write_tflite(model, directory / "half.tflite", METADATA, half=True)
    half = TfliteFile(directory / "half.tflite", threads=1).run(pixels())
    np.testing.assert_allclose(half, expected, rtol=0, atol=2e-3 * max(1, abs(expected).max()))


IN_8_BITS = [entry for entry in ALIKE if entry[0] != "HardSigmoid"]  # which is refused


@pytest.mark.parametrize(("operation", "constants", "attributes"), IN_8_BITS, ids=names(IN_8_BITS))
def test_in_8_bits_each_operation_differs_by_a_few_steps(
    operation: str, constants: Constants, attributes: dict[str, object], tmp_path: Path
):
    model = graph_of(operation, constants, **attributes)
    rgb = pixels()[0].transpose(1, 2, 0)
    write_int8_tflite(model, tmp_path / "any.tflite", METADATA, [rgb])
    expected = in_onnxruntime(model, pixels())
    found = TfliteFile(tmp_path / "any.tflite", threads=1).run(pixels())
    span = max(expected.max(), 0) - min(expected.min(), 0)
    assert abs(found - expected).max() < 10 / 255 * max(span, 1.0)  # 1: about the span of the features
    assert set(types(tmp_path / "any.tflite")[1:-1]) <= {"INT8", "INT32"}


def types(path: Path) -> list[str]:
    """The types of the tensors; image and probability are the first and the last."""
    schema = optional(SCHEMA)
    names = {code: name for name, code in vars(schema.TensorType).items() if name.isupper()}
    graph = schema.Model.GetRootAs(path.read_bytes()).Subgraphs(0)
    return [names[graph.Tensors(i).Type()] for i in range(graph.TensorsLength())]


@pytest.mark.parametrize(
    ("operation", "constants", "attributes", "named"),
    [
        ("Erf", {}, {}, "Erf"),
        ("Clip", {"low": np.float32(-1), "high": np.float32(1)}, {}, "Clip to -1.0 and 1.0, not 0 and 6"),
        ("MaxPool", {}, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, "MaxPool with padding"),
        ("AveragePool", {}, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, "AveragePool with padding"),
        ("HardSigmoid", {}, {}, "HardSigmoid of slope 0.200"),
    ],
)
def test_what_the_file_cannot_hold_is_named(
    operation: str, constants: Constants, attributes: dict[str, object], named: str, tmp_path: Path
):
    with pytest.raises(
        UserError, match=rf"expected a network that the TFLite file can hold, .*{named}.*; leave tflite"
    ):
        write_tflite(graph_of(operation, constants, **attributes), tmp_path / "any.tflite", METADATA)
    assert not (tmp_path / "any.tflite").exists()


@pytest.mark.parametrize("sides", [(3, 1), (5, 2)])
def test_a_sum_of_a_depthwise_convolutions_channels_is_one_convolution(sides: tuple[int, int], tmp_path: Path):
    kernel, stride = sides
    attributes = {"group": 4, "strides": [stride, stride], "pads": [kernel // 2] * 4}
    model = graph_of("Conv", {"w": random(4, 1, kernel, kernel)}, **attributes)
    model.graph.node[-1].op_type = "ReduceSum"
    onnx.save(model, tmp_path / "any.onnx")
    joined = tflite_graph(tmp_path / "any.onnx")
    assert [node.op_type for node in joined.graph.node] == ["Mul", "Conv", "Conv"]
    assert_alike(joined, tmp_path)
    np.testing.assert_allclose(in_onnxruntime(joined, pixels()), in_onnxruntime(model, pixels()), atol=1e-5)


def test_weights_that_the_graph_computes_are_refused(tmp_path: Path):
    model = graph_of("PRelu", {"slopes": random(4, 1, 1)})
    model.graph.node[2].input[1] = "features"
    with pytest.raises(UserError, match=r"found any: weights or sizes that the graph computes \(features\); leave"):
        write_tflite(model, tmp_path / "any.tflite", METADATA)


def test_a_file_keeps_its_metadata_and_aligns_its_constants(tmp_path: Path):
    path = tmp_path / "any.tflite"
    write_tflite(graph_of("Abs", {}), path, dataclasses.replace(METADATA, licence="Apache-2.0"))
    assert TfliteFile(path).metadata == dataclasses.replace(METADATA, licence="Apache-2.0")
    schema, content = optional(SCHEMA), path.read_bytes()
    model = schema.Model.GetRootAs(content)
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    filled = [model.Buffers(i) for i in range(model.BuffersLength()) if not model.Buffers(i).DataIsNone()]
    assert len(filled) >= 4
    assert {(buffer.DataAsNumpy().__array_interface__["data"][0] - start) % 16 for buffer in filled} == {0}
    assert operation_counts(path) == {"ABS": 1, "CONV_2D": 1, "MEAN": 1, "MUL": 1}


def test_an_activation_is_part_of_the_convolution_that_nothing_else_uses(tmp_path: Path):
    for operation, constants, attributes, count in (
        ("Relu", {}, {}, 0),
        ("Clip", {"low": np.float32(0), "high": np.float32(6)}, {}, 0),
        ("Sigmoid", {}, {}, 1),
    ):
        write_tflite(graph_of(operation, constants, **attributes), tmp_path / "any.tflite", METADATA)
        assert sum(operation_counts(tmp_path / "any.tflite").values()) == 3 + count
    model = graph_of("Relu", {})
    model.graph.node[-1].input[0] = "features"  # the mean is of the features, and no longer of what is above 0
    assert_alike(model, tmp_path)


def followed(model: onnx.ModelProto, *operations: str) -> onnx.ModelProto:
    """The graph with these operations between its own and the mean of the channels."""
    graph, value = model.graph, "result"
    mean = graph.node.pop()
    for number, operation in enumerate(operations):
        graph.node.append(helper.make_node(operation, [value], [f"after{number}"]))
        value = f"after{number}"
    mean.input[0] = value
    graph.node.append(mean)
    return onnx.shape_inference.infer_shapes(model)


def test_an_activation_after_a_concatenation_is_an_operation(tmp_path: Path):
    assert_alike(followed(graph_of("Concat", {}, joined=True, axis=1), "Relu"), tmp_path)


def test_an_activation_of_a_whole_slice_leaves_its_source_to_others(tmp_path: Path):
    whole = {"starts": np.array([0]), "ends": np.array([4]), "axes": np.array([1])}
    model = followed(graph_of("Slice", whole), "Relu")
    mean = model.graph.node.pop()
    model.graph.node.append(helper.make_node("Add", [mean.input[0], "features"], ["both"]))
    mean.input[0] = "both"
    model.graph.node.append(mean)
    assert_alike(onnx.shape_inference.infer_shapes(model), tmp_path)


def test_what_needs_one_scale_after_a_sigmoid_is_refused_in_8_bits(tmp_path: Path):
    part = {"starts": np.array([0]), "ends": np.array([2]), "axes": np.array([1])}
    model = graph_of("Slice", part)
    position = next(place for place, node in enumerate(model.graph.node) if node.op_type == "Slice")
    model.graph.node[position].input[0] = "probable"
    model.graph.node.insert(position, helper.make_node("Sigmoid", ["features"], ["probable"]))
    model = onnx.shape_inference.infer_shapes(model)
    assert_alike(model, tmp_path)
    rgb = pixels()[0].transpose(1, 2, 0)
    with pytest.raises(UserError, match=r"Slice of a Sigmoid, in 8 bits; leave int8 out of --precision"):
        write_int8_tflite(model, tmp_path / "any.tflite", METADATA, [rgb])


def test_a_slice_may_leave_its_axes_out_and_begin_before_the_start(tmp_path: Path):
    assert_alike(graph_of("Slice", {"starts": np.array([0, -9]), "ends": np.array([1, 2])}), tmp_path)


@pytest.mark.parametrize("damage", ["cut", "foreign", "empty", "missing"])
def test_a_file_that_is_no_export_is_refused_in_a_line(damage: str, tmp_path: Path):
    path = tmp_path / "any.tflite"
    write_tflite(graph_of("Relu", {}), path, METADATA)
    content = path.read_bytes()
    path.write_bytes({"cut": content[:400], "foreign": b"no model at all", "empty": b""}.get(damage, content))
    if damage == "missing":
        path.unlink()
    with pytest.raises(UserError, match=r"expected a TFLite model that trainer\.export wrote.*found"):
        TfliteFile(path)
