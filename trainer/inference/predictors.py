"""Predictors of a person probability: a checkpoint, an export of one, a third-party ONNX file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import OnnxSegmenter, Prob
from trainer.data.preprocessing import Preprocessing
from trainer.inference.runtimes.ncnn_file import NcnnFile
from trainer.inference.runtimes.openvino_file import OpenvinoFile
from trainer.inference.runtimes.tflite_file import TfliteFile
from trainer.weights.checkpoint import load_checkpoint

AUTO = "auto"
TORCH = "torch"
RUNTIMES = {".onnx": "onnxruntime", ".xml": "openvino", ".param": "ncnn", ".tflite": "tflite"}  # all others: torch


class Predictor(Protocol):
    @property
    def digest(self) -> str:
        """Digest of everything that decides the probabilities."""
        ...

    def person_prob(self, rgb: Pixels) -> Prob:
        """RGB uint8 (H, W, 3) -> person probability float32 (H, W)."""
        ...


def open_predictor(path: Path, device: torch.device, *, runtime: str = AUTO, threads: int | None = None) -> Predictor:
    """Open by suffix: .onnx, .tflite, OpenVINO's .xml, ncnn's .param; else a .safetensors file or a run's directory.

    `runtime`, unless it is auto, must match the suffix. `threads` are those of one image; for a checkpoint they hold
    for the whole process. The other runtimes ignore `device` and use the CPU. UserError when it can't be opened.
    """
    by_suffix = RUNTIMES.get(path.suffix, TORCH)
    if runtime not in (AUTO, by_suffix):
        runtimes = ", ".join((AUTO, TORCH, *RUNTIMES.values()))
        requested = runtime if runtime in (TORCH, *RUNTIMES.values()) else f"{runtime!r}, none of {runtimes}"
        raise UserError(f"expected the runtime {by_suffix} for {path.name}, found {requested}; leave it at {AUTO}")
    if by_suffix == "onnxruntime":
        return OnnxSegmenter(path, threads=threads or 0)
    if by_suffix == "openvino":
        return OpenvinoFile(path, threads=threads)
    if by_suffix == "ncnn":
        return NcnnFile(path, threads=threads)
    if by_suffix == "tflite":
        return TfliteFile(path, threads=threads)
    if threads:
        torch.set_num_threads(threads)
    checkpoint = load_checkpoint(path)
    model, info = checkpoint.model.to(device), checkpoint.info
    return NetworkPredictor(model, info.preprocessing, device, f"{checkpoint.weights_sha256} {info.preprocessing}")


@dataclass(frozen=True, slots=True)
class NetworkPredictor:
    """A checkpoint's network on `device`, in evaluation mode."""

    model: nn.Module
    preprocessing: Preprocessing
    device: torch.device
    digest: str

    def person_prob(self, rgb: Pixels) -> Prob:
        square = torch.tensor(self.preprocessing.resize(rgb), device=self.device).permute(2, 0, 1)[None]
        prob = person_prob(self.model, square, self.preprocessing)[0]
        return resize_prob(prob, *rgb.shape[:2]).cpu().numpy()


@torch.inference_mode()
def person_prob(model: nn.Module, images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """RGB uint8 (N, 3, S, S) -> person probability float (N, S, S)."""
    logits = model(preprocessing.normalise(images))  # (N, 2, S, S)
    return logits.softmax(dim=1)[:, 1]


def resize_prob(prob: Tensor, height: int, width: int) -> Tensor:
    """Float (S, S) -> (height, width), bilinear."""
    return F.interpolate(prob[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
