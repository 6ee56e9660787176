"""Third-party weights -> a checkpoint like trainer.fit's.

A state dict of SINet's authors, TensorFlow's MobileNetV2 x0.5 in an ONNX file, or a directory of
segmentation-models-pytorch: see trainer.import_weights.
"""

from pathlib import Path

from torch import nn

from trainer.data.preprocessing import Preprocessing, Triple, imagenet
from trainer.models import create_model
from trainer.weights.authors_weights import authors_sinet
from trainer.weights.checkpoint import CheckpointInfo, save_checkpoint
from trainer.weights.checkpoint_files import BEST
from trainer.weights.encoder_weights import load_mobilenet
from trainer.weights.smp_weights import load_pretrained

ONNX_SUFFIX = ".onnx"
SIZE_PX = 224  # of weights that don't record their image side


def import_weights(weights: Path, output: Path, *, size_px: int | None, mean: Triple, std: Triple) -> Path:
    """Write the checkpoint into `output` and return its path.

    `size_px` is the image side, None for that of the weights; `mean` and `std` are of SINet's pixels, on 0..255.
    """
    name, model, preprocessing = _read(weights, size_px, mean, std)
    info = CheckpointInfo(
        model=name,
        preprocessing=preprocessing,
        epoch=0,
        loss=0.0,
        metrics=None,
        manifest_version=0,
        manifest_digest="",
    )
    path = output / BEST
    save_checkpoint(path, model, info)
    return path


def _read(weights: Path, size_px: int | None, mean: Triple, std: Triple) -> tuple[str, nn.Module, Preprocessing]:
    """Name, network and preprocessing of a file of SINet's authors, an ONNX file or a directory of smp."""
    if weights.is_dir():
        name, model, side_px = load_pretrained(weights)
        return name, model, imagenet(size_px or side_px or SIZE_PX)
    if weights.suffix == ONNX_SUFFIX:
        name, preprocessing = "deeplabv3plus_mobilenetv2_050", imagenet(size_px or SIZE_PX)
        model = create_model(name)
        load_mobilenet(model.get_submodule("network.encoder"), weights, preprocessing)
        return name, model, preprocessing
    preprocessing = Preprocessing(size_px or SIZE_PX, mean=mean, std=std, divisor=255.0, colour_order="bgr")
    return "sinet", authors_sinet(weights), preprocessing
