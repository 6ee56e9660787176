"""Batch norm and PReLU by rows give the numbers of torch's."""

import copy

import pytest
import torch
from replaced_modules import sinet_after
from torch import Tensor, nn

from trainer.models.compile_friendly_norm import RowwiseBatchNorm2d, RowwisePReLU, sum_by_rows


def after_two_steps(network: nn.Module, images: Tensor, upper: Tensor) -> dict[str, Tensor]:
    """Output, gradients and buffers."""
    for _ in range(2):
        x = images.clone().requires_grad_()
        output = network(x)
        network.zero_grad()
        output.backward(upper)
    gradients = {
        f"gradient of {name}": parameter.grad
        for name, parameter in getattr(network, "_orig_mod", network).named_parameters()
    }
    return {
        "output": output.detach(),
        "gradient": x.grad,
        **gradients,
        **dict(getattr(network, "_orig_mod", network).named_buffers()),
    }


@pytest.mark.parametrize("shape", [(4, 3, 5, 7), (8, 3, 1, 1)])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_the_numbers_are_torchs(shape: tuple[int, ...], offset: float):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(shape, generator=generator, dtype=torch.double) * 3 + offset
    upper = torch.randn(shape, generator=generator, dtype=torch.double)
    torchs = nn.Sequential(nn.BatchNorm2d(3, eps=1e-3), nn.PReLU(3)).double()
    nn.init.uniform_(torchs[0].weight, generator=generator)
    nn.init.uniform_(torchs[1].weight, generator=generator)
    by_rows = copy.deepcopy(torchs)
    sum_by_rows(by_rows)
    assert [type(module) for module in by_rows] == [RowwiseBatchNorm2d, RowwisePReLU]
    compiled = torch.compile(by_rows, backend="aot_eager")
    torch.testing.assert_close(after_two_steps(compiled, images, upper), after_two_steps(torchs, images, upper))
    torch.testing.assert_close(by_rows.eval()(images), torchs.eval()(images))


def test_sinets_parameters_stay_the_same_tensors():
    network = sinet_after(sum_by_rows)
    assert not any(type(module) in (nn.BatchNorm2d, nn.PReLU) for module in network.modules())
