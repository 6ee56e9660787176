"""An exponential moving average of a network's weights: smoother than the weights of any one step."""

import copy

import torch
from torch import Tensor, nn

WARMUP = 10  # early on the average follows faster: decay is at most (1 + steps) / (10 + steps), as in TensorFlow


class MovingAverage:
    """`network` is the averaged copy, in evaluation mode; `steps` counts its updates."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move a little towards `network`; counters are copied."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (WARMUP + self.steps))
        averaged, current = _tensors(self.network), _tensors(network)
        floats = [i for i, tensor in enumerate(averaged) if tensor.is_floating_point()]
        torch._foreach_lerp_([averaged[i] for i in floats], [current[i] for i in floats], 1 - decay)
        for i in set(range(len(averaged))) - set(floats):
            averaged[i].copy_(current[i])


def _tensors(network: nn.Module) -> list[Tensor]:
    """The tensors of state_dict, in a fraction of its time."""
    return [*network.parameters(), *network.buffers()]
