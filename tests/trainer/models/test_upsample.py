"""SINet's up-sampling: in training it computes by matrix products what F.interpolate computes."""

import pytest
import torch
import torch.nn.functional as F

from trainer.models.upsample import BilinearUpsample, conv_of_upsampled, interpolation_matrix


@pytest.mark.parametrize("shape", [(2, 2, 7, 5), (2, 48, 7, 5), (1, 2, 1, 3), (3, 24, 14, 14)])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_training_gives_the_values_and_gradients_of_interpolate(
    shape: tuple[int, int, int, int], factor: int, layout: torch.memory_format
):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).contiguous(memory_format=layout).requires_grad_()
    upsample = BilinearUpsample(factor).train()
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)
    found = upsample(x)
    upper = torch.randn(expected.shape, generator=generator)
    (expected_gradient,) = torch.autograd.grad(expected, x, upper)
    (found_gradient,) = torch.autograd.grad(found, x, upper)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found_gradient, expected_gradient, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(upsample.eval()(x), expected, rtol=0, atol=0)


def test_corners_stay_and_what_is_between_is_linear():
    matrix = interpolation_matrix(2, 4, like=torch.empty(0))
    torch.testing.assert_close(matrix, torch.tensor([[1, 0], [2 / 3, 1 / 3], [1 / 3, 2 / 3], [0, 1]]))


@pytest.mark.parametrize(("channels", "out_channels", "factor"), [(2, 1, 2), (3, 2, 4)])
def test_up_sampling_and_convolution_in_one_are_the_two_in_turn(channels: int, out_channels: int, factor: int):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, 5, 7, generator=generator, requires_grad=True)
    weight = torch.randn(out_channels, channels, 3, 3, generator=generator, requires_grad=True)
    large = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)
    expected = F.conv2d(large, weight, padding=1)
    found = conv_of_upsampled(x, weight, factor)
    upper = torch.randn(expected.shape, generator=generator)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(
        torch.autograd.grad(found, (x, weight), upper),
        torch.autograd.grad(expected, (x, weight), upper),
        rtol=1e-5,
        atol=1e-3,
    )
