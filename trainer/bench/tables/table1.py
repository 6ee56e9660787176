"""Table 1 of SINet rerun: latency of a depthwise separable convolution by its dilation, at equal multiply-accumulates.

The paper measures an iPhone XS; this is the CPU at hand, in PyTorch and ONNX Runtime, one thread.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from manifests.pixels.onnx_segmenter import open_session
from trainer.bench.tables.markdown import table
from trainer.bench.timing import Candidate, interleaved_medians
from trainer.export.onnx_graph import graph_of
from trainer.inference.runtimes.metadata import INPUT

SHAPE = (1, 128, 120, 120)
PAPER_MS = {2: 6.7, 6: 6.63, 12: 11.84, 18: 12.03}  # by dilation rate, on an iPhone XS
RATES = (1, *PAPER_MS)
RUNTIMES = ("PyTorch", "ONNX Runtime")


def measure(*, seconds: float) -> dict[int, dict[str, float]]:
    """Rate -> runtime -> median ms, all in turn."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        candidates: dict[str, Candidate] = {}
        for rate in RATES:
            candidates |= _candidates(rate, Path(directory))
        medians = interleaved_medians(candidates, seconds=seconds)
    return {rate: {runtime: 1000 * medians[_name(rate, runtime)] for runtime in RUNTIMES} for rate in RATES}


def markdown(ms: dict[int, dict[str, float]]) -> str:
    """The page: milliseconds, and their ratios to those of rate 1."""
    header = ["rate", *(title for runtime in RUNTIMES for title in (f"ms, {runtime}", "ratio")), "paper, ms on a phone"]
    rows = [
        [
            str(rate),
            *(cell for runtime in RUNTIMES for cell in _cells(ms, rate, runtime)),
            f"{PAPER_MS[rate]:g}" if rate in PAPER_MS else "-",
        ]
        for rate in RATES
    ]
    size = " x ".join(map(str, SHAPE[1:]))
    return (
        "# Table 1 of SINet, rerun: a dilated depthwise separable 3x3 convolution\n\n"
        f"- Input {size}, one thread of the CPU, medians of runs in turn; the paper's column is an iPhone XS.\n"
        "- Every rate has the same multiply-accumulates.\n\n"
        f"{table(header, rows)}\n"
    )


def separable(rate: int) -> nn.Sequential:
    """(N, 128, H, W) -> (N, 128, H, W): dilated depthwise 3x3, then 1x1."""
    channels = SHAPE[1]
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
    ).eval()


def _candidates(rate: int, directory: Path) -> dict[str, Candidate]:
    module, features = separable(rate), torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    path = directory / f"{rate}.onnx"
    onnx.save(graph_of(module, features, output="features"), path)
    session, array = open_session(path, threads=1), np.asarray(features)
    return {
        _name(rate, "PyTorch"): torch.inference_mode()(lambda: module(features)),
        _name(rate, "ONNX Runtime"): lambda: session.run(None, {INPUT: array}),
    }


def _name(rate: int, runtime: str) -> str:
    return f"{runtime}, rate {rate}"


def _cells(ms: dict[int, dict[str, float]], rate: int, runtime: str) -> tuple[str, str]:
    return f"{ms[rate][runtime]:.2f}", f"{ms[rate][runtime] / ms[RATES[0]][runtime]:.2f}x"
