"""Third-party weights -> a checkpoint like trainer.fit's.

A state dict of SINet's authors, or TensorFlow's MobileNetV2 x0.5 in an ONNX file: see trainer.import_weights.
"""

from pathlib import Path

from torch import nn

from trainer.data.preprocessing import Preprocessing, Triple, imagenet
from trainer.models import create_model
from trainer.weights.authors_weights import authors_sinet
from trainer.weights.checkpoint import CheckpointInfo, save_checkpoint
from trainer.weights.checkpoint_files import BEST
from trainer.weights.encoder_weights import load_mobilenet

ONNX_SUFFIX = ".onnx"


def import_weights(weights: Path, output: Path, *, size_px: int, mean: Triple, std: Triple) -> Path:
    """Write the checkpoint into `output` and return its path; `mean` and `std` are of SINet's pixels, on 0..255."""
    model: nn.Module
    if weights.suffix == ONNX_SUFFIX:
        name, preprocessing = "deeplabv3plus_mobilenetv2_050", imagenet(size_px)
        model = create_model(name)
        load_mobilenet(model.get_submodule("network.encoder"), weights, preprocessing)
    else:
        name = "sinet"
        preprocessing = Preprocessing(size_px, mean=mean, std=std, divisor=255.0, colour_order="bgr")
        model = authors_sinet(weights)
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
