"""The network of the web page: an export of ours in ONNX, of a fixed size, and its metadata for the page."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from manifests.errors import UserError
from trainer.export.deployable import deployable
from trainer.export.onnx_graph import write_onnx
from trainer.inference.runtimes.metadata import INPUT, OUTPUT, Metadata
from trainer.weights.checkpoint import load_checkpoint
from trainer.weights.checkpoint_files import licence_of, name_of


@dataclass(frozen=True, slots=True)
class WebNetwork:
    """An ONNX file that takes uint8 (1, 3, height, width) and returns the person probability of each pixel."""

    name: str
    width: int
    height: int
    content: bytes


def web_network(path: Path) -> WebNetwork:
    """An exported .onnx as it is, or a checkpoint exported now; UserError when it is neither."""
    if path.suffix != ".onnx":
        return _read(_export(path), path)
    if not path.is_file():
        raise UserError(f"expected an ONNX file at {path}, found none")
    return _read(path.read_bytes(), path)


def _export(path: Path) -> bytes:
    checkpoint = load_checkpoint(path)
    side_px = checkpoint.info.preprocessing.size_px
    metadata = Metadata.of(checkpoint, name=name_of(path), input_px=side_px, licence=licence_of(path))
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "network.onnx"
        write_onnx(deployable(checkpoint), file, metadata)
        return file.read_bytes()


def _read(content: bytes, path: Path) -> WebNetwork:
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's errors share no base of their own
        raise UserError(f"expected an ONNX file at {path}, found another or a damaged one") from error
    metadata = Metadata.from_strings({entry.key: entry.value for entry in model.metadata_props}, path)
    image, prob = _tensor(model.graph.input, INPUT), _tensor(model.graph.output, OUTPUT)
    if image.elem_type != onnx.TensorProto.UINT8 or prob.elem_type != onnx.TensorProto.FLOAT:
        raise UserError(
            f"expected a network in {path} that takes uint8 and gives float32, found others; export it again"
        )
    sides = [side.dim_value for side in image.shape.dim]  # 0 where it is free
    if sides[0] > 1 or 0 in sides[2:]:
        raise UserError(
            f"expected a network in {path} that takes one image of a fixed size; export it without --dynamic"
        )
    return WebNetwork(metadata.checkpoint, sides[3], sides[2], content)


def _tensor(values: Sequence[onnx.ValueInfoProto], name: str) -> onnx.TypeProto.Tensor:
    return next(value.type.tensor_type for value in values if value.name == name)
