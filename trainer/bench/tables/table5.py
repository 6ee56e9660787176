"""Table 5 of SINet rerun: S2 modules whose branches are all alike, beside those of the paper.

Costs and latency are of fresh weights; accuracy, when fitted, as in table 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch

from manifests.pixels.metrics import MetricsAccumulator
from trainer.bench.tables.accuracy import Accuracy
from trainer.bench.tables.costs import conv_macs, count_parameters
from trainer.bench.tables.markdown import table
from trainer.bench.timing import Candidate, interleaved_medians
from trainer.models import create_model

NAMES = MetricsAccumulator.NAMES
PAPER = {  # mIOU in % and boundary F1
    "k3p1": (93.40, 0.874),
    "k3p2": (93.34, 0.851),
    "k3p4": (90.34, 0.796),
    "k5p1": (94.56, 0.881),
    "k5p2": (93.11, 0.857),
    "k5p4": (90.04, 0.799),
    "paper": (94.81, 0.884),
}
ARMS = {branches: f"--branches {branches}" for branches in PAPER}


@dataclass(frozen=True, slots=True)
class Row:
    """A SINet with these branches; `ms` is of eager PyTorch on one thread."""

    branches: str
    parameters: int
    conv_macs: int
    ms: float


def measure(*, size_px: int, seconds: float) -> list[Row]:
    """Count every branch table and time them in turn."""
    torch.set_num_threads(1)
    networks = {branches: create_model("sinet", branches=branches).eval() for branches in PAPER}
    image = torch.rand(1, 3, size_px, size_px, generator=torch.Generator().manual_seed(0))
    runs: dict[str, Candidate] = {
        branches: torch.inference_mode()(partial(network, image)) for branches, network in networks.items()
    }
    medians = interleaved_medians(runs, seconds=seconds)
    return [
        Row(branches, count_parameters(network), conv_macs(network, (size_px, size_px)), 1000 * medians[branches])
        for branches, network in networks.items()
    ]


def markdown(rows: list[Row], accuracies: Mapping[str, Accuracy], *, size_px: int, fitted: str | None) -> str:
    """The page; without accuracies their columns are left out."""
    names = NAMES if accuracies else ()
    header = ["branches", "parameters", "conv GMACs", "ms, 1 thread", "paper: mIOU, %", "paper: boundary F1", *names]
    cells = [
        [
            f"`{row.branches}`",
            f"{row.parameters:,}",
            f"{row.conv_macs / 1e9:.4f}",
            f"{row.ms:.1f}",
            f"{PAPER[row.branches][0]:.2f}",
            f"{PAPER[row.branches][1]:.3f}",
            *(accuracies[row.branches].cell(name) for name in names),
        ]
        for row in rows
    ]
    return (
        "# Table 5 of SINet, rerun: branches of the S2 modules\n\n"
        f"- k is the kernel of every branch, p its pooling; at {size_px} px, eager PyTorch, medians of runs in turn.\n"
        f"- Accuracy: {fitted or 'no network was fitted; --fit N fits all of them for N epochs'}.\n\n"
        f"{table(header, cells)}\n"
    )
