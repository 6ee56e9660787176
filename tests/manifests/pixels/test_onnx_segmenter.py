"""An ONNX file whose description the network contradicts is refused when it is opened, never read as something else."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from repository import ROOT

from manifests.errors import UserError
from manifests.pixels.letterbox import content_box, letterbox
from manifests.pixels.onnx_providers import CPU, CUDA, choose_providers, require_device
from manifests.pixels.onnx_segmenter import OnnxSegmenter

HEIGHT, WIDTH = 32, 48
NCHW = {"kind": "probability", "layout": "nchw", "person_channel": 0}


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


RED = [node("Slice", ["x", "zero", "one", "channel"], "red")]  # (1, 1, H, W)
FIRST_AND_SECOND = [*RED, node("Sub", ["ones", "red"], "rest"), node("Concat", ["rest", "red"], "both", axis=1)]


def made_network(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    outputs: Sequence[str],
    *,
    output: dict[str, Any],
    mean: float = 0,
    std: float = 255,
    number: int = TensorProto.FLOAT,
    result: int | None = None,
    layout: str = "nchw",
    more_inputs: Sequence[str] = (),
    shape: Sequence[int | str] | None = None,
) -> Path:
    """A network of `nodes` on the input x, (1, 3, 32, 48) or (1, 32, 48, 3), and its JSON."""
    sides = shape or ([1, 3, HEIGHT, WIDTH] if layout == "nchw" else [1, HEIGHT, WIDTH, 3])
    inputs = [helper.make_tensor_value_info(name, number, sides) for name in ("x", *more_inputs)]
    given = [helper.make_tensor_value_info(name, result or number, None) for name in outputs]
    numbers = helper.tensor_dtype_to_np_dtype(number)
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "channel": np.array([1 if layout == "nchw" else 3]),
        "ones": np.array([1], numbers),
        "ten": np.array([10], numbers),
    }
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "made", inputs, given, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    taken = {"height": HEIGHT, "width": WIDTH, "layout": layout, "colour_order": "rgb"}
    scale = {"mean": [mean] * 3, "std": [std] * 3}
    path.with_suffix(".json").write_text(json.dumps({"input": taken | scale, "output": output}))
    return path


def half_red() -> npt.NDArray[np.uint8]:
    """RGB (64, 96, 3): black on the left, red on the right."""
    rgb = np.zeros((64, 96, 3), np.uint8)
    rgb[:, 48:, 0] = 255
    return rgb


def assert_finds_red(segmenter: OnnxSegmenter) -> None:
    prob = segmenter.person_prob(half_red())
    assert prob.shape == (64, 96)
    assert prob.dtype == np.float32
    assert prob[:, :36].max() < 0.05
    assert prob[:, 60:].min() > 0.95


def test_an_output_without_the_axis_of_channels_is_its_only_channel(tmp_path: Path):
    nodes = [*RED, node("Squeeze", ["red", "one"], "y")]
    assert_finds_red(OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, ["y"], output=NCHW)))
    nhwc = {**NCHW, "layout": "nhwc"}
    assert_finds_red(OnnxSegmenter(made_network(tmp_path / "b.onnx", nodes, ["y"], output=nhwc)))
    second = {**NCHW, "person_channel": 1}
    with pytest.raises(UserError, match=r"expected a channel 1, as c.json says, found 1 channel"):
        OnnxSegmenter(made_network(tmp_path / "c.onnx", nodes, ["y"], output=second))


@pytest.mark.parametrize(
    "shape", [[2, HEIGHT, WIDTH], [2 * HEIGHT, WIDTH], [1, 2, HEIGHT, WIDTH, 1], [2, 1, HEIGHT, WIDTH]]
)
def test_an_output_of_other_axes_is_refused(tmp_path: Path, shape: list[int]):
    made = node("Constant", [], "shape", value=numpy_helper.from_array(np.array(shape)))
    nodes = [made, *FIRST_AND_SECOND, node("Reshape", ["both", "shape"], "y")]
    path = made_network(tmp_path / "a.onnx", nodes, ["y"], output=NCHW)
    with pytest.raises(
        UserError, match=r"expected an output \(1, channels, height, width\), as a.json says, found one"
    ):
        OnnxSegmenter(path)


def test_a_layout_of_the_output_that_is_not_the_networks_is_refused(tmp_path: Path):
    nodes = [*FIRST_AND_SECOND, node("Transpose", ["both"], "y", perm=[0, 2, 3, 1])]
    nhwc = {**NCHW, "layout": "nhwc", "person_channel": 1}
    assert_finds_red(OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, ["y"], output=nhwc)))
    for name, made, output, stated in (("b", nodes, "y", "nchw"), ("c", FIRST_AND_SECOND, "both", "nhwc")):
        path = made_network(tmp_path / f"{name}.onnx", made, [output], output={**NCHW, "layout": stated})
        with pytest.raises(UserError, match=rf"with the aspect of 32x48, as {name}.json says, found one of \(1, "):
            OnnxSegmenter(path)


def test_of_several_outputs_the_description_names_one(tmp_path: Path):
    nodes = [*RED, node("Identity", ["x"], "foreground")]
    outputs = ["foreground", "red"]
    with pytest.raises(UserError, match=r'expected one output, found foreground, red .* with "name" under "output"'):
        OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, outputs, output=NCHW))
    with pytest.raises(UserError, match=r"expected an output called alpha, as a.json says, found foreground, red"):
        OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, outputs, output={**NCHW, "name": "alpha"}))
    with pytest.raises(UserError, match=r"output.name is not a text"):
        OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, outputs, output={**NCHW, "name": 1}))
    assert_finds_red(OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, outputs, output={**NCHW, "name": "red"})))
    assert_finds_red(OnnxSegmenter(made_network(tmp_path / "b.onnx", RED, ["red"], output={**NCHW, "name": "red"})))


def test_several_inputs_are_refused_by_name(tmp_path: Path):
    path = made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW, more_inputs=["state"])
    with pytest.raises(UserError, match=r"expected a network with one input, an image, found inputs x, state"):
        OnnxSegmenter(path)


@pytest.mark.parametrize("number", [TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE])
def test_a_network_is_fed_numbers_of_its_own_type(tmp_path: Path, number: int):
    assert_finds_red(OnnxSegmenter(made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW, number=number)))


def test_a_network_of_bytes_is_fed_pixels(tmp_path: Path):
    cast = [node("Cast", ["red"], "whole", to=TensorProto.FLOAT), node("Div", ["whole", "levels"], "y")]
    levels = node("Constant", [], "levels", value=numpy_helper.from_array(np.array([255], np.float32)))
    of_bytes = {"number": TensorProto.UINT8, "result": TensorProto.FLOAT, "std": 1}
    path = made_network(tmp_path / "a.onnx", [levels, *RED, *cast], ["y"], output=NCHW, **of_bytes)
    assert_finds_red(OnnxSegmenter(path))


def test_an_input_of_whole_numbers_is_refused(tmp_path: Path):
    path = made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW, number=TensorProto.INT32)
    with pytest.raises(
        UserError, match=r"expected a network that takes one of tensor\(float\), .* found tensor\(int32\)"
    ):
        OnnxSegmenter(path)


@pytest.mark.parametrize("channel", [1, 7])
def test_a_channel_that_is_not_there_is_refused(tmp_path: Path, channel: int):
    path = made_network(tmp_path / "a.onnx", RED, ["red"], output={**NCHW, "person_channel": channel})
    with pytest.raises(UserError, match=rf"expected a channel {channel}, as a.json says, found 1 channel\(s\)"):
        OnnxSegmenter(path)


MADE_WRONG = {
    "logits": [*RED, node("Sub", ["red", "ones"], "less"), node("Mul", ["less", "ten"], "y")],
    "0..255": [*RED, node("Mul", ["red", "ten"], "y")],
    "no number": [*RED, node("Sub", ["red", "ones"], "less"), node("Log", ["less"], "y")],
    "infinite": [*RED, node("Reciprocal", ["red"], "y")],
}


@pytest.mark.parametrize("kind", MADE_WRONG)
def test_values_that_are_no_probabilities_are_refused(tmp_path: Path, kind: str):
    path = made_network(tmp_path / "a.onnx", MADE_WRONG[kind], ["y"], output=NCHW)
    with pytest.raises(UserError, match=r"expected probabilities in 0\.\.1, as a.json says, found values from"):
        OnnxSegmenter(path)


def test_logits_that_are_no_numbers_are_refused(tmp_path: Path):
    path = made_network(tmp_path / "a.onnx", MADE_WRONG["no number"], ["y"], output={**NCHW, "kind": "logits"})
    with pytest.raises(UserError, match=r"expected probabilities in 0\.\.1, as a.json says, found values from nan"):
        OnnxSegmenter(path)


@pytest.mark.parametrize("nodes", [RED, FIRST_AND_SECOND])
def test_probabilities_called_logits_are_refused(tmp_path: Path, nodes: list[onnx.NodeProto]):
    last = nodes[-1].output[0]
    path = made_network(tmp_path / "a.onnx", nodes, [last], output={**NCHW, "kind": "logits"})
    with pytest.raises(UserError, match=r"expected logits, as a.json says, found values in 0\.\.1, like probabilities"):
        OnnxSegmenter(path)


def test_far_logits_are_0_and_1_without_a_warning(tmp_path: Path):
    nodes = [*RED, node("Sub", ["red", "half"], "less"), node("Mul", ["less", "far"], "y")]
    made = [
        node("Constant", [], name, value=numpy_helper.from_array(np.array([value], np.float32)))
        for name, value in (("half", 0.5), ("far", 1e4))
    ]
    path = made_network(tmp_path / "a.onnx", [*made, *nodes], ["y"], output={**NCHW, "kind": "logits"})
    assert_finds_red(OnnxSegmenter(path))


def test_values_outside_0_to_1_are_refused_in_each_prediction(tmp_path: Path):
    """The made image has no pixel that is white all over; a white image shows what the network does then."""
    nodes = [
        node("ReduceMin", ["x"], "least", keepdims=1),
        node("Floor", ["least"], "white"),
        *RED,
        node("Mul", ["white", "ten"], "more"),
        node("Add", ["red", "more"], "y"),
    ]
    segmenter = OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, ["y"], output=NCHW))
    assert_finds_red(segmenter)
    with pytest.raises(
        UserError, match=r"expected probabilities in 0\.\.1, as a.json says, found values from 11 to 11"
    ):
        segmenter.person_prob(np.full((64, 96, 3), 255, np.uint8))


def test_rounding_beyond_0_and_1_is_cut_off(tmp_path: Path):
    made = node("Constant", [], "more", value=numpy_helper.from_array(np.array([1.005], np.float32)))
    path = made_network(tmp_path / "a.onnx", [made, *RED, node("Mul", ["red", "more"], "y")], ["y"], output=NCHW)
    prob = OnnxSegmenter(path).person_prob(half_red())
    assert prob.max() == 1


def test_a_network_that_cannot_run_on_the_stated_size_is_refused(tmp_path: Path):
    reshape = [
        node("Constant", [], "shape", value=numpy_helper.from_array(np.array([1, 1, 64, 64]))),
        *RED,
        node("Reshape", ["red", "shape"], "y"),
    ]
    path = made_network(tmp_path / "a.onnx", reshape, ["y"], output=NCHW, shape=[1, 3, "height", "width"])
    with pytest.raises(UserError, match=r"expected a network that runs on \(1, 3, 32, 48\), as a.json says, found the"):
        OnnxSegmenter(path)


def test_an_output_of_fewer_pixels_is_stretched(tmp_path: Path):
    nodes = [*RED, node("AveragePool", ["red"], "y", kernel_shape=[5, 5], strides=[5, 5])]  # 32x48 -> 6x9
    assert_finds_red(OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, ["y"], output=NCHW)))


def test_a_description_that_is_no_text_is_refused(tmp_path: Path):
    path = made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW)
    path.with_suffix(".json").write_bytes(b"\xff\xfe{}\x80")
    with pytest.raises(UserError, match=r"expected JSON in .*a.json"):
        OnnxSegmenter(path)


def test_onnx_runtimes_telemetry_is_off_before_it_is_imported() -> None:
    script = "import sys, os, manifests; print(os.environ.get('ORT_DISABLE_TELEMETRY'), 'onnxruntime' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"


DYNAMIC = ["batch", 3, HEIGHT, WIDTH]
LETTERBOX = {"resize": "letterbox", "padding_value": 114}


def described(path: Path, **changes: Any) -> Path:
    """The file, with other keys under `input` in its JSON."""
    description = json.loads(path.with_suffix(".json").read_text())
    description["input"] |= changes
    path.with_suffix(".json").write_text(json.dumps(description))
    return path


def test_letterboxing_centres_the_image_and_takes_the_padding_off_the_mask(tmp_path: Path):
    tall = np.zeros((96, 48, 3), np.uint8)  # 16 columns of the network's 32x48, 16 on either side
    tall[:, 24:, 0] = 255
    path = described(made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW), **LETTERBOX)
    prob = OnnxSegmenter(path).person_prob(tall)
    assert prob.shape == (96, 48)
    assert prob[:, :20].max() < 0.05  # not the padding's 114 / 255
    assert prob[:, 28:].min() > 0.95
    batch = letterbox(tall, HEIGHT, WIDTH, padding_value=114)
    assert (batch[:, :16] == 114).all()
    assert (batch[:, 32:] == 114).all()
    assert (batch[:, 16:23] == 0).all()
    assert (batch[:, 25:32, 0] == 255).all()


def test_letterboxing_takes_the_padding_off_an_output_of_fewer_pixels(tmp_path: Path):
    nodes = [*RED, node("AveragePool", ["red"], "y", kernel_shape=[4, 4], strides=[4, 4])]  # 32x48 -> 8x12
    path = described(made_network(tmp_path / "a.onnx", nodes, ["y"], output=NCHW), **LETTERBOX)
    wide = np.zeros((24, 96, 3), np.uint8)
    wide[:, 48:, 0] = 255
    prob = OnnxSegmenter(path).person_prob(wide)
    assert prob.shape == (24, 96)
    assert prob[8:16, :32].max() < 0.05
    assert prob[8:16, 64:].min() > 0.95


def test_an_extreme_aspect_keeps_a_pixel():
    assert content_box(1000, 1, HEIGHT, WIDTH).w == 1
    assert content_box(1, 1000, HEIGHT, WIDTH).h == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resize": "crop"}, "input.resize is none of stretch, letterbox"),
        ({"resize": "letterbox", "padding_value": 256}, "padding_value is not a whole number from 0 to 255"),
        ({"resize": "letterbox", "padding_value": 0.5}, "padding_value is not a whole number from 0 to 255"),
        ({"padding_value": 114}, 'padding_value needs "resize": "letterbox"'),
    ],
)
def test_a_resize_that_is_unknown_is_refused(tmp_path: Path, changes: dict[str, Any], message: str):
    path = described(made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW), **changes)
    with pytest.raises(UserError, match=message):
        OnnxSegmenter(path)


def different_images() -> list[npt.NDArray[np.uint8]]:
    shapes = ((64, 96, 3), (40, 30, 3), (32, 48, 3))
    return [np.random.default_rng(seed).integers(0, 256, shape, np.uint8) for seed, shape in enumerate(shapes)]


def test_a_batch_gives_what_each_image_gives_alone(tmp_path: Path):
    path = made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW, shape=DYNAMIC)
    alone, together = OnnxSegmenter(path), OnnxSegmenter(path)
    together.prepare_batches(2)
    assert together.batch_size == 2
    images = different_images()
    for image, prob in zip(images, together.person_probs(images), strict=True):
        assert np.array_equal(prob, alone.person_prob(image))


MIXED = [
    *RED,
    node("ReduceMean", ["red"], "mean", keepdims=0),
    node("Sub", ["red", "mean"], "less"),
    node("Abs", ["less"], "y"),
]
ONE_ALONE = [
    node("Constant", [], "shape", value=numpy_helper.from_array(np.array([1, 1, HEIGHT, WIDTH]))),
    *RED,
    node("Reshape", ["red", "shape"], "y"),
]


@pytest.mark.parametrize(
    ("nodes", "shape", "why"),
    [
        (RED, [1, 3, HEIGHT, WIDTH], "its batch axis has a fixed length"),
        ([*MIXED], DYNAMIC, "two at once give other values"),
        ([*ONE_ALONE], DYNAMIC, "two fail with"),
    ],
)
def test_a_network_that_takes_no_batch_gets_one_image_at_a_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, nodes: list[onnx.NodeProto], shape: list[int | str], why: str
):
    last = nodes[-1].output[0]
    segmenter = OnnxSegmenter(made_network(tmp_path / "a.onnx", nodes, [last], output=NCHW, shape=shape))
    segmenter.prepare_batches(8)
    assert segmenter.batch_size == 1
    [message] = caplog.messages
    assert "a.onnx takes one image at a time: " in message
    assert why in message
    assert len(segmenter.person_probs(different_images())) == 3


def test_the_gpu_comes_first_where_onnx_runtime_has_it():
    both = [CUDA, CPU]
    assert choose_providers("auto", both) == [(CUDA, {"device_id": 0}), CPU]
    assert choose_providers("cuda:3", both) == [(CUDA, {"device_id": 3}), CPU]
    assert choose_providers("cpu", both) == [CPU]
    assert choose_providers("auto", ["AzureExecutionProvider", CPU]) == [CPU]


def test_a_gpu_that_onnx_runtime_does_not_have_is_refused(tmp_path: Path):
    path = made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW)
    with pytest.raises(UserError, match=r"expected CUDAExecutionProvider in .* --device cuda, found .*; install"):
        OnnxSegmenter(path, device="cuda")
    with pytest.raises(UserError, match=r"expected --device auto, cpu, cuda or cuda:N, found 'tpu'"):
        OnnxSegmenter(path, device="tpu")
    with pytest.raises(UserError, match=r"expected ONNX Runtime to run on cuda:0, found that it fell back to the CPU"):
        require_device("cuda:0", [CPU])
    require_device("auto", [CPU])


@pytest.mark.parametrize(
    "changes",
    [{"height": 10**400}, {"width": 2**31}, {"mean": [10**400, 0, 0]}, {"std": [float("nan")] * 3}],
)
def test_numbers_that_no_network_has_are_refused(tmp_path: Path, changes: dict[str, Any]):
    path = made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW)
    described = json.loads(path.with_suffix(".json").read_text())
    described["input"] |= changes
    path.with_suffix(".json").write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"expected a description of input and output in .*a.json, found"):
        OnnxSegmenter(path)


def test_a_description_that_is_nested_deeply_is_refused(tmp_path: Path):
    path = made_network(tmp_path / "a.onnx", RED, ["red"], output=NCHW)
    path.with_suffix(".json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"expected JSON in .*a.json, found: it is nested too deeply"):
        OnnxSegmenter(path)
