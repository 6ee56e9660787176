"""Networks with an edge head, which only training uses, and its loss (PortraitNet, Zhang et al. 2019)."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from trainer.fit.losses import boundary_band, focal

EDGE_PX = 5  # PortraitNet draws its edges 4 px wide; a band has an odd width


@runtime_checkable
class HasEdgeHead(Protocol):
    """A network with a second output in training; its `forward` returns the logits alone."""

    def training_outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> logits (N, 2, H, W) of background and person, and of elsewhere and edge, likewise."""
        ...


def edge_loss(edge_logits: Tensor, labels: Tensor, *, edge_px: int = EDGE_PX) -> Tensor:
    """(N, 2, H, W), labels (N, H, W) in [0, 1] -> scalar: the focal loss of edge pixels, gamma 2.

    Edge pixels are those whose window of `edge_px` holds person and background.
    """
    return focal(edge_logits, boundary_band(labels, edge_px).to(edge_logits.dtype))
