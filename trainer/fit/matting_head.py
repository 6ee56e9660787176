"""Networks with a matting head, and its loss (Zhu et al. 2017, arXiv 1707.08289)."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from trainer.fit.losses import person_logit

EPSILON = 1e-6  # of Xu et al. 2017, "Deep Image Matting": the root is differentiable at 0


@runtime_checkable
class HasMattingHead(Protocol):
    """A network that refines a segmentation to a matte; its `forward` returns the matte's logits alone."""

    def matting_outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> logits (N, 2, H, W) of the segmentation, and of the matte, likewise."""
        ...


def matting_loss(matte_logits: Tensor, labels: Tensor, colours: Tensor) -> Tensor:
    """(N, 2, H, W), alpha (N, H, W) in [0, 1], RGB (N, 3, H, W) in [0, 1] -> scalar: L_alpha + L_color.

    L_alpha is the mean of |alpha - label|, L_color that of its product with each colour: the foreground's error.
    """
    error = person_logit(matte_logits).sigmoid() - labels.to(matte_logits.dtype)
    return _absolute(error).mean() + _absolute(error[:, None] * colours).mean()


def _absolute(x: Tensor) -> Tensor:
    return (x.square() + EPSILON**2).sqrt()
