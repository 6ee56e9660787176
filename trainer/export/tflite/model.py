"""NAME.tflite, and NAME-fp16.tflite and NAME-int8.tflite: the deployable network in TFLite's format.

`image` takes RGB pixels 0..255 as floats (1, S, S, 3), `person_prob` is float32 (1, S, S, 1), in each precision.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from trainer.export.deployable import Deployable
from trainer.export.onnx_graph import graph_of
from trainer.export.sinet_inference import InferenceSINet, join_last
from trainer.export.tflite.operations import UnknownOperation, translate
from trainer.export.tflite.ranges import value_ranges
from trainer.inference.runtimes.metadata import OUTPUT, Metadata


def tflite_graph(network: Deployable, metadata: Metadata) -> onnx.ModelProto:
    """The ONNX graph that the files are written from: float32 (1, 3, S, S), S = metadata.input_px.

    With channels last, one convolution of one output channel is faster than a depthwise one and a sum.
    """
    side = metadata.input_px
    network = copy.deepcopy(network)
    if isinstance(network.body, InferenceSINet):
        join_last(network.body)
    return graph_of(network, torch.zeros(1, 3, side, side), output=OUTPUT)


def write_tflite(graph: onnx.ModelProto, path: Path, metadata: Metadata, *, half: bool = False) -> None:
    """Write the network, its weights in float16 with `half`; UserError when it has an operation not written here."""
    path.write_bytes(_translated(graph, metadata, half=half))


def write_int8_tflite(graph: onnx.ModelProto, path: Path, metadata: Metadata, photographs: Sequence[Pixels]) -> None:
    """Write the network in 8 bits, their scales from `photographs`, RGB uint8 (H, W, 3); UserError likewise."""
    ranges = value_ranges(graph, photographs, side_px=metadata.input_px)
    path.write_bytes(_translated(graph, metadata, ranges=ranges))


def _translated(graph: onnx.ModelProto, metadata: Metadata, **options: object) -> bytes:
    try:
        return translate(graph, **options).to_bytes(metadata.as_strings())  # type: ignore[arg-type]
    except UnknownOperation as error:
        raise UserError(
            f"expected a network that the TFLite file can hold, found {metadata.model}: {error}; "
            "leave tflite out of --to"
        ) from error
