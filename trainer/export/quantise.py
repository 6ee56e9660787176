"""NAME-int8.onnx: weights and features in 8 bits, by ONNX Runtime's static quantisation on real photographs."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import squeeze
from trainer.export.onnx_graph import quiet
from trainer.inference.runtimes.metadata import INPUT, Metadata

QUANTISED = ["Conv"]  # the rest is small, and a sigmoid's input needs more than 256 values


def write_int8(onnx_path: Path, path: Path, metadata: Metadata, photographs: Sequence[Pixels]) -> None:
    """Write the network, calibrated on `photographs`, RGB uint8 (H, W, 3); image and probability stay unchanged."""
    with tempfile.TemporaryDirectory() as directory, quiet():
        prepared = Path(directory) / "prepared.onnx"
        quant_pre_process(onnx_path, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared, path, _Photographs(photographs, metadata.input_px), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED, per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": False},
        )  # fmt: skip
    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata.as_strings())
    onnx.checker.check_model(model)
    onnx.save(model, path)


class _Photographs(CalibrationDataReader):
    def __init__(self, photographs: Sequence[Pixels], side_px: int) -> None:
        self._batches = iter(
            {INPUT: np.ascontiguousarray(squeeze(rgb, side_px, side_px).transpose(2, 0, 1)[None])}
            for rgb in photographs
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)
