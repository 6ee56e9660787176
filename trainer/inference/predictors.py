"""Whatever gives a person probability for a picture: a checkpoint of ours, an export of one, somebody's ONNX file."""

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
from trainer.weights.checkpoint import load_checkpoint

AUTO = "auto"
TORCH = "torch"
RUNTIMES = {".onnx": "onnxruntime", ".xml": "openvino", ".param": "ncnn"}  # all others: torch


class Predictor(Protocol):
    @property
    def digest(self) -> str:
        """Of all that decides the probabilities."""
        ...

    def person_prob(self, rgb: Pixels) -> Prob:
        """RGB uint8 (H, W, 3) -> person probability float32 (H, W)."""
        ...


def open_predictor(path: Path, device: torch.device, *, runtime: str = AUTO, threads: int | None = None) -> Predictor:
    """By its suffix: .onnx, OpenVINO's .xml, ncnn's .param; otherwise a .safetensors checkpoint or a run's directory.

    `runtime`, when it is not auto, must be the one that the suffix stands for. `threads` are those of one picture; for
    a checkpoint they hold for the whole process, and the other runtimes leave `device` aside: they use the CPU.
    UserError says what is wrong.
    """
    found = RUNTIMES.get(path.suffix, TORCH)
    if runtime not in (AUTO, found):
        known = ", ".join((AUTO, TORCH, *RUNTIMES.values()))
        asked = runtime if runtime in (TORCH, *RUNTIMES.values()) else f"{runtime!r}, none of {known}"
        raise UserError(f"expected the runtime {found} for {path.name}, found {asked}; leave it at {AUTO}")
    if found == "onnxruntime":
        return OnnxSegmenter(path, threads=threads or 0)
    if found == "openvino":
        return OpenvinoFile(path, threads=threads)
    if found == "ncnn":
        return NcnnFile(path, threads=threads)
    if threads:
        torch.set_num_threads(threads)
    checkpoint = load_checkpoint(path)
    model, info = checkpoint.model.to(device), checkpoint.info
    return NetworkPredictor(model, info.preprocessing, device, f"{checkpoint.weights_sha256} {info.preprocessing}")


@dataclass(frozen=True, slots=True)
class NetworkPredictor:
    """A network of ours on `device`, in evaluation mode."""

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
