"""Small encoder and decoder pairs in ONNX, in both layouts, whose mask is a disc that tests can compute.

The embedding is the mean of the encoder's input everywhere. The mask is a disc around the first point, its radius a
factor times that mean: `factors` has one for each mask, `ious` what the decoder predicts for it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
EMBEDDING = (1, 256, 64, 64)
Shape = Sequence[int | str]


def write_sam_pair(
    folder: Path,
    *,
    factors: Sequence[float] = (2.0,),
    ious: Sequence[float] = (0.9,),
    image: Shape = ("height", "width", 3),
    low_res_px: int = 256,
    points: int | str = "points",
) -> Path:
    """MobileSAM's layout; the radius is in pixels of the frame of 1024."""
    folder.mkdir(parents=True, exist_ok=True)
    save(
        folder / "mobile_sam.encoder.onnx",
        mean_nodes("input_image"),
        {"input_image": image},
        {"image_embeddings": EMBEDDING},
    )
    centres = (np.arange(low_res_px, dtype=np.float32) + 0.5) * (1024 / low_res_px)
    columns, rows = np.meshgrid(centres, centres)
    constants = {"columns": columns, "rows": rows, "factors": factors_of(factors), "ious": np.float32([ious])}
    nodes = [
        *disc_nodes("point_coords", labels="point_labels"),
        helper.make_node("Unsqueeze", ["discs", "batch_axis"], ["low_res_masks"]),
        helper.make_node("Identity", ["low_res_masks"], ["masks"]),
        helper.make_node("Identity", ["ious"], ["iou_predictions"]),
    ]
    inputs = {
        "image_embeddings": EMBEDDING,
        "point_coords": (1, points, 2),
        "point_labels": (1, points),
        "mask_input": (1, 1, 256, 256),
        "has_mask_input": (1,),
        "orig_im_size": (2,),
    }
    count = len(factors)
    outputs = {
        "masks": (1, count, low_res_px, low_res_px),
        "iou_predictions": (1, count),
        "low_res_masks": (1, count, low_res_px, low_res_px),
    }
    save(folder / "mobile_sam.decoder.onnx", nodes, inputs, outputs, constants | {"batch_axis": np.int64([0])})
    return folder


def write_efficient_sam_pair(
    folder: Path,
    *,
    factors: Sequence[float] = (50.0,),
    ious: Sequence[float] = (0.9,),
    points: int | str = "points",
    mask_height: int | None = None,
    integers: bool = False,
) -> Path:
    """EfficientSAM's layout; the radius is in the image's pixels. With `mask_height`, all masks have that height.

    With `integers`, the encoder takes uint8, which 0..1 don't fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    image = {"batched_images": ("batch", 3, "height", "width")}
    save(
        folder / "efficientsam_ti_encoder.onnx",
        mean_nodes("batched_images"),
        image,
        {"image_embeddings": EMBEDDING},
        types={"batched_images": TensorProto.UINT8} if integers else {},
    )
    height = "fixed_height" if mask_height else "height_px"
    nodes = [
        helper.make_node("Gather", ["orig_im_size", "first"], ["height_px"]),
        helper.make_node("Gather", ["orig_im_size", "second"], ["width_px"]),
        helper.make_node("Range", ["first", height, "second"], ["row_numbers"]),
        helper.make_node("Range", ["first", "width_px", "second"], ["column_numbers"]),
        helper.make_node("Cast", ["row_numbers"], ["flat_rows"], to=FLOAT),
        helper.make_node("Cast", ["column_numbers"], ["flat_columns"], to=FLOAT),
        helper.make_node("Add", ["flat_columns", "half"], ["columns"]),
        helper.make_node("Add", ["flat_rows", "half"], ["centred_rows"]),
        helper.make_node("Unsqueeze", ["centred_rows", "last_axis"], ["rows"]),
        *disc_nodes("batched_point_coords", labels="batched_point_labels"),
        helper.make_node("Unsqueeze", ["discs", "batch_axes"], ["output_masks"]),
        helper.make_node("Identity", ["ious"], ["iou_predictions"]),
    ]
    constants = {
        "factors": factors_of(factors),
        "ious": np.float32([[ious]]),
        "half": np.float32(0.5),
        "first": np.int64(0),
        "second": np.int64(1),
        "last_axis": np.int64([1]),
        "batch_axes": np.int64([0, 1]),
        "fixed_height": np.int64(mask_height or 0),
    }
    inputs = {
        "image_embeddings": EMBEDDING,
        "batched_point_coords": (1, 1, points, 2),
        "batched_point_labels": (1, 1, points),
        "orig_im_size": (2,),
    }
    count = len(factors)
    outputs = {"output_masks": (1, 1, count, "h", "w"), "iou_predictions": (1, 1, count)}
    save(folder / "efficientsam_ti_decoder.onnx", nodes, inputs, outputs, constants, types={"orig_im_size": INT64})
    return folder


def factors_of(factors: Sequence[float]) -> np.ndarray:
    return np.float32(factors).reshape(-1, 1, 1)


def constant_nodes(name: str, value: np.ndarray) -> list[onnx.NodeProto]:
    return [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))]


def mean_nodes(image: str, embedding: Sequence[int] = EMBEDDING) -> list[onnx.NodeProto]:
    """The image's mean, as an embedding."""
    shape = numpy_helper.from_array(np.int64(embedding))
    return [
        helper.make_node("Cast", [image], ["values"], to=FLOAT),
        helper.make_node("ReduceMean", ["values"], ["mean"], keepdims=0),
        helper.make_node("Constant", [], ["embedding_shape"], value=shape),
        helper.make_node("Expand", ["mean", "embedding_shape"], ["image_embeddings"]),
    ]


def disc_nodes(coords: str, *, labels: str) -> list[onnx.NodeProto]:
    """`discs` (M, H, W): the radius less the distance from the first point; its negative for a point labelled 0."""
    flat_point = numpy_helper.from_array(np.int64([-1]))

    def constant(name: str, value: int | float, kind: type = np.int64) -> onnx.NodeProto:
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value, kind)))

    return [
        helper.make_node("Constant", [], ["flat_shape"], value=flat_point),
        constant("x_index", 0),
        constant("y_index", 1),
        constant("two", 2, np.float32),
        constant("one", 1, np.float32),
        helper.make_node("Reshape", [coords, "flat_shape"], ["flat_coords"]),
        helper.make_node("Reshape", [labels, "flat_shape"], ["flat_labels"]),
        helper.make_node("Gather", ["flat_coords", "x_index"], ["x"]),
        helper.make_node("Gather", ["flat_coords", "y_index"], ["y"]),
        helper.make_node("Gather", ["flat_labels", "x_index"], ["label"]),
        helper.make_node("Sub", ["columns", "x"], ["dx"]),
        helper.make_node("Sub", ["rows", "y"], ["dy"]),
        helper.make_node("Mul", ["dx", "dx"], ["dx2"]),
        helper.make_node("Mul", ["dy", "dy"], ["dy2"]),
        helper.make_node("Add", ["dx2", "dy2"], ["squared"]),
        helper.make_node("Sqrt", ["squared"], ["distance"]),
        helper.make_node("ReduceMean", ["image_embeddings"], ["embedded_mean"], keepdims=0),
        helper.make_node("Mul", ["factors", "embedded_mean"], ["radii"]),
        helper.make_node("Sub", ["radii", "distance"], ["inside"]),
        helper.make_node("Mul", ["label", "two"], ["doubled"]),
        helper.make_node("Sub", ["doubled", "one"], ["sign"]),
        helper.make_node("Mul", ["inside", "sign"], ["discs"]),
    ]


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    constants: dict[str, np.ndarray] | None = None,
    *,
    types: Mapping[str, int] = {},
) -> None:
    """Write a graph; its tensors are float, but for the inputs in `types`."""
    graph = helper.make_graph(
        nodes,
        "pair",
        [helper.make_tensor_value_info(name, types.get(name, FLOAT), shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
