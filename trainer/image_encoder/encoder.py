"""Image embeddings by a SINet's encoder: RGB uint8 (1, 3, S, S) -> float32 (1, 144) of length 1.

An embedding is the mean of the deepest features over the image, each channel standardised by its mean and standard
deviation over photographs. Without that all images look alike: the median cosine of two is 0.94.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.pixels.geometry import Pixels
from trainer.data.preprocessing import Preprocessing
from trainer.export.deployable import Deployable, deployable
from trainer.export.onnx_graph import graph_of, save_graph
from trainer.export.onnx_prelu import rewrite_prelus
from trainer.export.sinet_inference import InferenceSINet
from trainer.weights.checkpoint import Checkpoint

OUTPUT = "embedding"
LEAST_PHOTOGRAPHS = 100
LEAST_STD = 1e-3  # of the largest one: channels below it are dead, their changes are rounding


class PooledFeatures(nn.Module):
    """RGB 0..255 (N, 3, S, S) -> the deepest features' means over the image, float32 (N, 144)."""

    def __init__(self, network: Deployable) -> None:
        super().__init__()
        assert isinstance(network.body, InferenceSINet)  # its stem includes division and order of the colours
        self.body = network.body
        self.mean = network.mean

    def forward(self, image: Tensor) -> Tensor:
        return self.body.features(image.float() - self.mean)[0].mean(dim=(2, 3))


class ImageEncoder(nn.Module):
    """RGB 0..255 (N, 3, S, S) -> embeddings float32 (N, 144) of length 1."""

    def __init__(self, pooled: PooledFeatures, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.pooled = pooled
        self.feature_mean = nn.Buffer(mean)
        self.inverse_std = nn.Buffer(1 / std)

    def forward(self, image: Tensor) -> Tensor:
        standard = (self.pooled(image) - self.feature_mean) * self.inverse_std
        return standard / standard.norm(dim=1, keepdim=True)


def image_encoder(checkpoint: Checkpoint, photographs: Iterable[Pixels]) -> ImageEncoder:
    """The checkpoint's encoder, standardised by `photographs`, RGB uint8 (H, W, 3).

    UserError for a network that isn't a SINet of two classes, and for fewer than LEAST_PHOTOGRAPHS.
    """
    network = deployable(checkpoint)
    if not isinstance(network.body, InferenceSINet):
        raise UserError(f"expected a checkpoint of sinet, found {checkpoint.info.model}; name another")
    pooled = PooledFeatures(network).eval()
    with torch.inference_mode():
        features = [pooled(as_batch(rgb, checkpoint.info.preprocessing)) for rgb in photographs]
    if len(features) < LEAST_PHOTOGRAPHS:
        raise UserError(f"expected {LEAST_PHOTOGRAPHS} photographs or more, found {len(features)}; name more folders")
    stacked = torch.cat(features).double()
    mean, std = stacked.mean(dim=0), stacked.std(dim=0)
    std = torch.where(std < LEAST_STD * std.max(), torch.inf, std)
    return ImageEncoder(pooled, mean.float(), std.float()).eval()


def as_batch(rgb: Pixels, preprocessing: Preprocessing) -> Tensor:
    """RGB uint8 (H, W, 3) -> uint8 (1, 3, S, S)."""
    return torch.from_numpy(preprocessing.resize(rgb)).permute(2, 0, 1)[None]


def write_image_encoder(encoder: ImageEncoder, checkpoint: Checkpoint, path: Path) -> None:
    """Write the encoder as an ONNX file; what made it stands in the file's metadata."""
    side, info = checkpoint.info.preprocessing.size_px, checkpoint.info
    graph = graph_of(encoder, torch.zeros(1, 3, side, side, dtype=torch.uint8), output=OUTPUT)
    metadata = {"weights_sha256": checkpoint.weights_sha256, "model": info.model, "code_version": info.code_version}
    with tempfile.TemporaryDirectory() as directory:
        plain, rewritten = Path(directory) / "graph.onnx", Path(directory) / "encoder.onnx"
        save_graph(graph, plain, metadata)
        rewrite_prelus(plain, rewritten)
        write_replace(path, rewritten.read_bytes())
