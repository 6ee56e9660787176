"""Losses beside that of the mask: two views of an image, an edge head, a matting head."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from manifests.errors import UserError
from trainer.data.preprocessing import imagenet
from trainer.fit.consistency import both_views, consistency
from trainer.fit.edge_head import edge_loss
from trainer.fit.heads import check_heads
from trainer.fit.losses import EVEN, boundary_band, focal, segmentation_loss
from trainer.fit.matting_head import matting_loss
from trainer.fit.objective import objective
from trainer.fit.recipe import default
from trainer.models import create_model


class WithEdgeHead(nn.Module):
    """Two 1x1 convolutions: person and edge."""

    def __init__(self) -> None:
        super().__init__()
        self.person, self.edge = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.person(images)

    def training_outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.person(images), self.edge(images)


def test_views_alternate():
    plain, changed = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0]])
    assert both_views(plain, changed).flatten().tolist() == [1, 10, 2, 20]


def test_consistency_is_the_divergence_from_the_plain_view():
    plain, changed = torch.tensor([[[math.log(3)]]]), torch.zeros(1, 1, 1)  # 3/4 and 1/2
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert consistency(both_views(plain, changed)).item() == pytest.approx(expected)
    assert consistency(both_views(plain, plain)).item() == 0


def test_the_plain_view_is_the_teacher_and_gets_no_gradient():
    logits = torch.tensor([math.log(3), 0.0]).view(2, 1, 1).requires_grad_()
    consistency(logits).backward()
    assert logits.grad[0] == 0
    assert logits.grad[1] < 0  # up, towards 3/4


def test_the_edge_loss_is_focal_on_the_pixels_around_the_boundary():
    labels = torch.tensor([[[0.0, 0, 0, 1, 1, 1]]])
    edge_logits = torch.stack([torch.zeros(1, 1, 6), torch.tensor([[[0, 0, math.log(3), math.log(3), 0, 0]]])], dim=1)
    at_edge, elsewhere = (1 / 4) ** 2 * -math.log(3 / 4), (1 / 2) ** 2 * math.log(2)
    expected = (2 * at_edge + 4 * elsewhere) / 6
    assert edge_loss(edge_logits, labels, edge_px=3).item() == pytest.approx(expected)


def test_an_edge_head_is_trained_with_its_weight():
    network, images = WithEdgeHead(), torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(1, 8, 8)
    labels[:, :, 4:] = 1
    losses = {
        weight: objective(
            network,
            dataclasses.replace(default(), edge_weight=weight),
            weights=EVEN,
            kernel_px=3,
            preprocessing=imagenet(8),
        )(images, labels)
        for weight in (0.0, 0.1)
    }
    edges = boundary_band(labels, 5).float()
    expected = losses[0.0] + 0.1 * focal(network.edge(images), edges)
    torch.testing.assert_close(losses[0.1], expected)


def test_the_matting_loss_is_the_error_of_alpha_and_of_the_foregrounds_colours():
    matte_logits = torch.tensor([0.0, math.log(3)]).view(1, 2, 1, 1)  # alpha 3/4
    colours = torch.tensor([1.0, 0.0, 0.5]).view(1, 3, 1, 1)
    found = matting_loss(matte_logits, torch.full((1, 1, 1), 0.5), colours)
    assert found.item() == pytest.approx(0.25 + (0.25 + 0 + 0.125) / 3, abs=1e-5)


def test_the_gradient_of_the_matting_loss_is_the_one_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    matte_logits = torch.randn(2, 2, 3, 4, dtype=torch.double, generator=generator, requires_grad=True)
    alpha = torch.rand(2, 3, 4, dtype=torch.double, generator=generator)
    colours = torch.rand(2, 3, 3, 4, dtype=torch.double, generator=generator)
    assert torch.autograd.gradcheck(lambda values: matting_loss(values, alpha, colours), matte_logits)


def test_a_matting_head_is_trained_with_its_weight_and_the_segmentation_with_the_masks():
    network = create_model("erd_matting").train()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    labels = torch.full((2, 64, 64), 0.3)
    labels[:, :, 32:] = 1
    recipe = dataclasses.replace(default(), alpha_weight=0.5)
    found = objective(network, recipe, weights=EVEN, kernel_px=3, preprocessing=imagenet(64))(images, labels)
    logits, matte_logits = network.matting_outputs(images)
    colours = images * torch.tensor(imagenet(64).std).view(3, 1, 1) + torch.tensor(imagenet(64).mean).view(3, 1, 1)
    alpha_loss = matting_loss(matte_logits, labels, colours / 255)
    torch.testing.assert_close(found, segmentation_loss(logits, labels, kernel_px=3) + 0.5 * alpha_loss)


def test_without_its_weight_a_matting_head_is_trained_as_the_mask():
    network, labels = create_model("erd_matting").train(), torch.zeros(2, 64, 64)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = objective(network, default(), weights=EVEN, kernel_px=3, preprocessing=imagenet(64))(images, labels)
    torch.testing.assert_close(found, segmentation_loss(network(images), labels, kernel_px=3))


def test_a_heads_weight_needs_the_head_and_one_process():
    edges, alpha = (dataclasses.replace(default(), **{name: 0.1}) for name in ("edge_weight", "alpha_weight"))
    check_heads(create_model("sinet"), default(), processes=2)
    check_heads(WithEdgeHead(), edges, processes=1)
    check_heads(create_model("erd_matting"), alpha, processes=1)
    with pytest.raises(UserError, match=r"expected a network with an edge head for --edge-weight 0.1, found SINet; "):
        check_heads(create_model("sinet"), edges, processes=1)
    with pytest.raises(UserError, match=r"with a matting head for --alpha-weight 0.1, found WithEdgeHead; set --alpha"):
        check_heads(WithEdgeHead(), alpha, processes=1)
    with pytest.raises(UserError, match=r"expected one process for --edge-weight 0.1, found 2"):
        check_heads(WithEdgeHead(), edges, processes=2)
