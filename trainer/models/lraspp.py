"""MobileNetV3-small with the LR-ASPP head, arXiv 1905.02244: images (N, 3, H, W) -> logits (N, classes, H, W).

Both parts are torchvision's; the backbone keeps stride 16 and halves its last widths, as the paper has it for
segmentation.
"""

from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small
from torchvision.models.segmentation import LRASPP

from trainer.models.padding import PaddedNetwork

LOW_LAYERS = 4  # up to the first block of stride 8, whose 24 channels the head adds
LOW_CHANNELS, HIGH_CHANNELS = 24, 288


def lraspp_mobilenetv3_small(classes: int = 2) -> PaddedNetwork:
    """MobileNetV3-small with LR-ASPP; padded to multiples of 16."""
    backbone = Backbone(mobilenet_v3_small(dilated=True, reduced_tail=True).features)
    return PaddedNetwork(_Logits(LRASPP(backbone, LOW_CHANNELS, HIGH_CHANNELS, classes)), side_multiple_px=16)


class Backbone(nn.Module):
    """(N, 3, H, W) -> `low` (N, 24, H/8, W/8) and `high` (N, 288, H/16, W/16)."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.low = features[:LOW_LAYERS]
        self.high = features[LOW_LAYERS:]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        low = self.low(images)
        return {"low": low, "high": self.high(low)}


class _Logits(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H, W), out of torchvision's dictionary."""

    def __init__(self, network: LRASPP) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)["out"]
        return logits
