"""A checkpoint as one module, from which every export is made: pixels in, person probability out.

It includes the preprocessing, and takes the difference of the two logits, whose sigmoid is the softmax of two classes.
Subtracting the mean stays an operation, as zero-padded borders require; in a SINet the division and the order of the
colours are folded into the first convolution.
"""

import copy

import torch
from torch import Tensor, nn

from manifests.errors import UserError
from trainer.data.preprocessing import Preprocessing
from trainer.export.folding import fold_batch_norms, freeze, like
from trainer.export.sinet_inference import InferenceSINet
from trainer.models.padding import PaddedNetwork
from trainer.models.sinet import SINet
from trainer.models.sinet_cityscapes import SINetCityscapes
from trainer.models.smp_network import SmpNetwork
from trainer.weights.checkpoint import Checkpoint

SIDE_MULTIPLES_PX: dict[type[nn.Module], int] = {SINet: 32, SINetCityscapes: 128, SmpNetwork: 32}


class Deployable(nn.Module):
    """RGB 0..255 (N, 3, H, W), uint8 or float -> person probability float32 (N, 1, H, W)."""

    def __init__(self, body: nn.Module, mean: Tensor, std: Tensor | None, *, reverse_colours: bool) -> None:
        super().__init__()
        self.body = body
        self.reverse_colours = reverse_colours
        self.mean = nn.Buffer(mean.float().view(1, 3, 1, 1))
        self.inverse_std = None if std is None else nn.Buffer((1 / std).float().view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        pixels = image.float()
        if self.reverse_colours:
            pixels = torch.cat([pixels[:, 2:], pixels[:, 1:2], pixels[:, :1]], dim=1)
        pixels = pixels - self.mean
        if self.inverse_std is not None:
            pixels = pixels * self.inverse_std
        return torch.sigmoid(self.body(pixels))


class LogitDifference(nn.Module):
    """(N, 3, H, W) -> (N, 1, H, W): the person's logit minus the background's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images)
        return logits[:, 1:] - logits[:, :1]


def deployable(checkpoint: Checkpoint) -> Deployable:
    """The checkpoint's network, rewritten for runtimes; the checkpoint itself stays unchanged.

    UserError for a network of other classes than background and person.
    """
    classes = checkpoint.info.arguments.get("classes", 2)
    if classes != 2:
        raise UserError(f"expected a network of two classes, background and person, found {classes}; fit one of two")
    network = copy.deepcopy(checkpoint.model).eval()
    mean, std, reverse = _constants(checkpoint.info.preprocessing)
    if not isinstance(network, SINet):
        fold_batch_norms(network)
        return Deployable(freeze(LogitDifference(network)), mean, std, reverse_colours=reverse).eval()
    body = InferenceSINet(network)
    stem = body.stem[0]
    assert isinstance(stem, nn.Conv2d)
    weight = stem.weight.double() / std.view(1, 3, 1, 1)
    body.stem[0] = like(stem, weight.flip(1) if reverse else weight, stem.bias)
    freeze(body)
    return Deployable(body, mean.flip(0) if reverse else mean, None, reverse_colours=False).eval()


def side_multiple_px(checkpoint: Checkpoint) -> int:
    """Multiple of px of the free sides that an exported network takes; UserError for a network of one size."""
    model = checkpoint.model
    if not isinstance(model, PaddedNetwork):
        return SIDE_MULTIPLES_PX[type(model)]
    if not model.exports_free_sides:
        name = checkpoint.info.model
        raise UserError(f"expected a network whose graph holds for every size, found {name}; leave out --dynamic")
    return model.side_multiple_px


def _constants(preprocessing: Preprocessing) -> tuple[Tensor, Tensor, bool]:
    """Mean and whole divisor (3,), in the network's order, and whether that is BGR."""
    mean = torch.tensor(preprocessing.mean, dtype=torch.float64)
    std = torch.tensor(preprocessing.std, dtype=torch.float64) * preprocessing.divisor
    return mean, std, preprocessing.colour_order == "bgr"
