"""What holds of every change that puts other modules in the place of a network's own."""

from collections.abc import Callable

from torch import nn

from trainer.models import create_model


def sinet_after(change: Callable[[nn.Module], None]) -> nn.Module:
    """SINet after a change that must keep the names and the very tensors of its state."""
    network = create_model("sinet")
    before = network.state_dict(keep_vars=True)
    change(network)
    after = network.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    return network
