"""A decoder of class scores: coarse ones are enlarged and added to those of finer features, step by step."""

from collections.abc import Sequence

from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, enlarged


class ScoreLadder(nn.Module):
    """Features (N, channels[i], H/s, W/s), s = stride * 2^i -> logits (N, classes, H, W)."""

    def __init__(self, channels: Sequence[int], classes: int, *, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.scores = nn.ModuleList(ConvBNAct(width, classes, 1, act=None) for width in channels)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        *finer, coarse = (score(x) for score, x in zip(self.scores, features, strict=True))
        for scores in reversed(finer):
            coarse = scores + enlarged(coarse, 2)
        return enlarged(coarse, self.stride)
