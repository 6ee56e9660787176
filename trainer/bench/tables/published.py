"""Table 3 of SINet (WACV 2020), measured by its authors at 224 x 224, and where the networks here deviate from it."""

from dataclasses import dataclass

from trainer.models import MODELS


@dataclass(frozen=True, slots=True)
class Published:
    """One row. `gflops` are G multiply-accumulates of convolutions, without transposed ones; mIoU on EG1800 in %.

    Its mIoU is what this project calls person_iou_per_image.
    """

    parameters_m: float
    gflops: float
    miou_percent: float
    boundary_f1: float
    fps: float  # on an Intel Core i5-7200U


TABLE3 = {
    "enet": Published(0.355, 0.346, 95.16, 0.917, 8.06),
    "bisenet_resnet18": Published(0.124, 2.31, 94.91, 0.908, 2.99),
    "portraitnet": Published(2.08, 0.325, 95.99, 0.919, 3.30),
    "espnet": Published(0.345, 0.328, 94.65, 0.883, 6.99),
    "ds_espnet": Published(0.143, 0.199, 94.10, 0.866, 7.75),
    "ds_espnet_050": Published(0.064, 0.139, 93.58, 0.859, 9.26),
    "espnetv2": Published(0.778, 0.231, 94.71, 0.872, 3.65),
    "espnetv2_150": Published(0.458, 0.137, 94.00, 0.861, 4.95),
    "contextnet12": Published(0.838, 1.87, 95.71, 0.896, 1.55),
    "lraspp_mobilenetv3_small": Published(0.458, 0.066, 94.19, 0.854, 10.87),
    "sinet": Published(0.087, 0.064, 94.81, 0.884, 12.35),
}

# Footnotes of a row, in this order; several rows may share one.
_DS_ESPNET = "No code of DS-ESPNet is public; this reading replaces only the dilated convolutions of ESPNet-C."
_FAST_PORTRAIT = "A reading by widths and kinds of blocks: the public code states no licence and was not used."
_TRANSFORMER = "Linear layers and attention are no convolutions: they count in GFLOPs only."
_ESPNETV2 = "The published count includes PReLU slopes that no output uses: 480 at width 2.0, 352 at width 1.5."
DEVIATIONS = {
    "bisenet_resnet18": [
        "The paper's 0.124 M is a misprint of 12.4 M, which include ResNet's classifier of 1,000 classes (0.513 M).",
    ],
    "portraitnet": ["The paper's 0.325 G are those of the training network, with its edge head."],
    "espnet": ["The paper's row is ESPNet-C, whose logits at 1/8 are enlarged; so is this one."],
    "espnet_full": ["The paper has no row of ESPNet's full decoder, which needs at least five score channels."],
    "ds_espnet": [_DS_ESPNET],
    "ds_espnet_050": [_DS_ESPNET],
    "espnetv2": [_ESPNETV2],
    "espnetv2_150": [_ESPNETV2],
    "contextnet12": [
        "The paper's network pools in a pyramid of three levels, this one doesn't; the paper's 1.87 G are not met."
    ],
    "lraspp_mobilenetv3_small": [
        "The paper's 0.458 M repeat ESPNetV2's cell; its text says 0.47 M, torchvision's parts have 0.513 M."
    ],
    "segformer_b0": [_TRANSFORMER],
    "segformer_b0_upsampling": [_TRANSFORMER],
    "shuffle_seg_skipnet": [_FAST_PORTRAIT],
    "esp_dense_seg": [_FAST_PORTRAIT],
    "residualdense_bisenet": [_FAST_PORTRAIT],
}

NOT_COMPARED = ("sinet_cityscapes", "deeplabv3plus_se_resnext50", "deeplabv3plus_mobilenetv2_050", "portraitnet_edge")
DEFAULT_MODELS = tuple(name for name in MODELS if name not in NOT_COMPARED)  # no street scenes, teachers, twins
