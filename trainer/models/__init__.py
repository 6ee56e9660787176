"""The networks: images float (N, 3, H, W) -> logits (N, 2, H, W), class 1 = person.

    bisenet.py                BiSeNet on ResNet-18
    blocks.py                 blocks that several networks share
    compile_friendly_norm.py  batch norm and PReLU whose sums compile well
    contextnet.py             ContextNet, cn12
    enet.py                   ENet
    erd_seg.py                segmentation and matting on residual dense blocks
    esp_dense.py              ESP-Dense
    espnet.py                 ESPNet-C, ESPNet; DS-ESPNet with all of its channels and with half
    espnetv2.py               ESPNetV2, widths 2.0 and 1.5
    extremec3.py              ExtremeC3Net
    feather.py                a segmentation, refined to an alpha matte
    lraspp.py                 MobileNetV3-small with LR-ASPP, torchvision's
    mobilenet_dilate_unet.py  MobileNetV2 with a dilated U-Net
    mobilenetv2.py            MobileNetV2 as an encoder
    padding.py                padding of sides that a network can't halve
    portraitnet.py            PortraitNet, with and without its edge head
    residualdense_bisenet.py  BiSeNet on residual dense blocks
    score_ladder.py           decoder that adds class scores of several strides
    segformer.py              SegFormer-B0 with convolutional up-sampling, gates and dilated sums
    sernet.py                 SERNet-Former and its blocks
    shuffle_seg.py            ShuffleSeg with skips
    sinet.py                  SINet, 86,910 parameters; its gates and branch tables
    sinet_cityscapes.py       the authors' network for street scenes
    smp_network.py            every network of segmentation-models-pytorch: `smp:ARCHITECTURE:ENCODER`
    surgery.py                replacement of a network's modules
    sync_batch_norm.py        batch norm over the batches of several processes
    upsample.py               bilinear up-sampling, alone and before a convolution

A new one is a function that returns an `nn.Module`, and a line in MODELS.
"""

import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from manifests.errors import UserError

if TYPE_CHECKING:
    from torch import nn

PREFIX = "smp:"

# Name -> module and function that builds it, loaded on use: listing the names loads no torch.
MODELS = {
    "sinet": ("trainer.models.sinet", "sinet"),
    "sinet_cityscapes": ("trainer.models.sinet_cityscapes", "sinet_cityscapes"),
    "deeplabv3plus_se_resnext50": ("trainer.models.smp_network", "deeplabv3plus_se_resnext50"),
    "deeplabv3plus_mobilenetv2_050": ("trainer.models.smp_network", "deeplabv3plus_mobilenetv2_050"),
    "enet": ("trainer.models.enet", "enet"),
    "espnet": ("trainer.models.espnet", "espnet"),
    "espnet_full": ("trainer.models.espnet", "espnet_full"),
    "lraspp_mobilenetv3_small": ("trainer.models.lraspp", "lraspp_mobilenetv3_small"),
    "contextnet12": ("trainer.models.contextnet", "contextnet12"),
    "ds_espnet": ("trainer.models.espnet", "ds_espnet"),
    "ds_espnet_050": ("trainer.models.espnet", "ds_espnet_050"),
    "extremec3": ("trainer.models.extremec3", "extremec3"),
    "espnetv2": ("trainer.models.espnetv2", "espnetv2"),
    "espnetv2_150": ("trainer.models.espnetv2", "espnetv2_150"),
    "portraitnet": ("trainer.models.portraitnet", "portraitnet"),
    "portraitnet_edge": ("trainer.models.portraitnet", "portraitnet_edge"),
    "bisenet_resnet18": ("trainer.models.bisenet", "bisenet_resnet18"),
    "segformer_b0": ("trainer.models.smp_network", "segformer_b0"),
    "segformer_b0_upsampling": ("trainer.models.segformer", "segformer_b0_upsampling"),
    "sersegformer_b0": ("trainer.models.segformer", "sersegformer_b0"),
    "sernet_former": ("trainer.models.sernet", "sernet_former"),
    "mobilenet_dilate_unet": ("trainer.models.mobilenet_dilate_unet", "mobilenet_dilate_unet"),
    "shuffle_seg_skipnet": ("trainer.models.shuffle_seg", "shuffle_seg_skipnet"),
    "esp_dense_seg": ("trainer.models.esp_dense", "esp_dense_seg"),
    "residualdense_bisenet": ("trainer.models.residualdense_bisenet", "residualdense_bisenet"),
    "erd_seg": ("trainer.models.erd_seg", "erd_seg"),
    "erd_matting": ("trainer.models.erd_seg", "erd_matting"),
}


def create_model(name: str, **options: Any) -> "nn.Module":
    """The network called `name`, with fresh weights; UserError lists the known names and options."""
    if name.startswith(PREFIX):
        smp_network = _builder("trainer.models.smp_network", "smp_network")
        architecture, _, encoder = name.removeprefix(PREFIX).partition(":")
        return smp_network(architecture, encoder, **_checked(name, smp_network, options))
    if name not in MODELS:
        raise UserError(f"expected a model out of {', '.join(MODELS)}, {PREFIX}ARCHITECTURE:ENCODER, found {name!r}")
    builder = _builder(*MODELS[name])
    return builder(**_checked(name, builder, options))


def _builder(module: str, function: str) -> Callable[..., "nn.Module"]:
    builder: Callable[..., nn.Module] = getattr(importlib.import_module(module), function)
    return builder


def _checked(name: str, builder: Callable[..., "nn.Module"], options: dict[str, Any]) -> dict[str, Any]:
    known = inspect.signature(builder).parameters.keys() - {"architecture", "encoder"}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise UserError(
            f"expected options of {name} out of {', '.join(sorted(known)) or 'none'}, found {', '.join(unknown)}"
        )
    return options
