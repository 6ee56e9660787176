"""NAME.onnx: the deployable network by torch.onnx, simplified and checked, with its metadata inside."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.fx.experimental.symbolic_shapes import ConstraintViolationError

from manifests.errors import UserError
from trainer.export.deployable import Deployable
from trainer.inference.runtimes.metadata import INPUT, OUTPUT, Metadata

OPSET = 18  # align_corners, and the newest that TensorRT, OpenVINO and ONNX Runtime of 2023 all read


def write_onnx(
    network: Deployable, path: Path, metadata: Metadata, *, batch: int = 1, dynamic_multiple_px: int | None = None
) -> None:
    """uint8 `image` (batch, 3, S, S) -> float32 `person_prob` (batch, 1, S, S) with S = metadata.input_px.

    With `dynamic_multiple_px` batch, height and width are free, the sides multiples of that. UserError when torch.onnx
    doesn't know an operation of the network.
    """
    side = metadata.input_px
    example_batch = batch if dynamic_multiple_px is None else max(batch, 2)  # 1 would be taken for a constant
    example = torch.zeros(example_batch, 3, side, side, dtype=torch.uint8)
    shapes = None
    if dynamic_multiple_px is not None:
        height, width = (dynamic_multiple_px * Dim(name, min=1, max=256) for name in ("rows", "columns"))
        shapes = ({0: Dim("batch", min=1, max=4096), 2: height, 3: width},)
    try:
        model = graph_of(network, example, output=OUTPUT, dynamic_shapes=shapes)
    except (torch.onnx.errors.OnnxExporterError, ConstraintViolationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"expected a network that ONNX can hold, found {metadata.model}: {reason}") from error
    save_graph(model, path, metadata.as_strings())


def graph_of(module: nn.Module, example: Tensor, *, output: str, dynamic_shapes: Any = None) -> onnx.ModelProto:
    """The graph of a module of one input, `image`, and one output."""
    with quiet():
        program = torch.onnx.export(
            module, (example,), dynamo=True, opset_version=OPSET, input_names=[INPUT], output_names=[output],
            dynamic_shapes=dynamic_shapes, optimize=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    return program.model_proto


def save_graph(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Check the graph and write it with its metadata, `code_version` among them."""
    _add_metadata(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _add_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    model.producer_name, model.producer_version = "maskfoundry", metadata["code_version"]
    onnx.helper.set_model_props(model, dict(metadata))
    model.graph.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]  # paths of the machine that wrote it
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the converters' own output, pages that never concern the user's network."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        nowhere = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
