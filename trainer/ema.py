"""An exponential moving average of a network's weights: smoother than the weights of any one step."""

import copy

import torch
from torch import nn

WARMUP = 10  # early on the average follows faster: decay is at most (1 + steps) / (10 + steps), as in TensorFlow


class MovingAverage:
    """`network` is the averaged copy, in evaluation mode; `steps` says how often it was updated."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move a little towards `network`; counters are copied."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (WARMUP + self.steps))
        averaged, current = self.network.state_dict(), network.state_dict()
        floats = [name for name, tensor in averaged.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([averaged[name] for name in floats], [current[name] for name in floats], 1 - decay)
        for name in averaged.keys() - set(floats):
            averaged[name].copy_(current[name])
