"""torchvision's own segmenters, fitted on COCO's images with PASCAL VOC's 21 classes; fetched on first use."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import segmentation
from torchvision.models._api import WeightsEnum

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex

VOC_CLASSES = 21  # of PASCAL VOC
VOC_PERSON = 15

NETWORKS: dict[str, tuple[Callable[..., nn.Module], WeightsEnum]] = {
    "deeplabv3_resnet101": (
        segmentation.deeplabv3_resnet101,
        segmentation.DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1,
    ),
    "lraspp": (
        segmentation.lraspp_mobilenet_v3_large,
        segmentation.LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1,
    ),
}


@dataclass(frozen=True, slots=True)
class TorchvisionWeights:
    """A network whose output is logits (N, 21, H, W); `name` is `network@12 hex digits` of the weights."""

    network: nn.Module
    name: str


def load_torchvision(name: str) -> TorchvisionWeights:
    """Load one of NETWORKS; UserError when its weights are not on this machine and can't be fetched."""
    build, weights = NETWORKS[name]
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except OSError as error:  # of downloads: no network, no such address
        raise UserError(
            f"expected to fetch the weights of {name} from {weights.url}, found no way to them ({error}); fetch that "
            f"file where there is internet and put it into {torch.hub.get_dir()}/checkpoints, or use another --teacher"
        ) from error
    has_auxiliary = any(key.startswith("aux_classifier.") for key in state)
    network = build(weights=None, weights_backbone=None, num_classes=VOC_CLASSES, aux_loss=has_auxiliary)
    network.load_state_dict(state)
    return TorchvisionWeights(LogitsAlone(network), f"{name}@{_digest(state)[:12]}")


class LogitsAlone(nn.Module):
    """The `out` of the dict that torchvision's networks return: (N, 3, H, W) -> (N, 21, H, W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)["out"]
        return logits


def _digest(state: dict[str, Tensor]) -> str:
    """Digest of the weights themselves: their file is a pickle, whose bytes vary with the program that wrote it."""
    return sha256_hex(b"".join(name.encode() + state[name].numpy().tobytes() for name in sorted(state)))
