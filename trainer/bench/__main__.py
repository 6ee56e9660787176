"""`python -m trainer.bench`: SINet's speed on this machine's CPU, as ratios against named baselines."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import run_command


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    from trainer.bench import latency, training  # after parsing: torch takes seconds to load

    if options.part == "latency":
        latency.measure(seconds=options.seconds, rivals=options.rival)
    elif options.part == "profile":
        latency.profile()
    else:
        training.measure(seconds=options.seconds, threads=options.threads, compile_network=options.compile)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.bench", description="Measure SINet on this machine's CPU.")
    parser.add_argument(
        "--part", choices=("training", "latency", "profile"), default="training",
        help="training, exported networks in each runtime, or where their time goes (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rival", type=Path, nargs="+", default=[], metavar="ONNX", help="third-party networks, for --part latency"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="approximate duration (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of training (default: torch's)")
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile (default: yes)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
