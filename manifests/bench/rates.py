"""Images per second of named calls, each within its share of a time budget; `python -m manifests.bench.rates FILE`.

`make bench-gpu` adds the rates of the pipeline and the trainer to one file, JSON lines, and prints their table. A rate
that can't be measured is a row with the reason, and the others go on.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from manifests.bench.headline import processor
from manifests.cli.arguments import run_command
from manifests.cli.converters import not_negative_float, number
from manifests.errors import UserError

MIN_CALLS = 3  # for a spread
FIGURES = Path(".bench-gpu.jsonl")
IMAGES = 1_000_000  # of the table's last columns

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A call that takes `images` images; `prepare` loads what it needs and returns it, or raises why it can't run."""

    what: str
    images: int
    prepare: Callable[[], Call]


@dataclass(frozen=True, slots=True)
class Rate:
    """Median images per second of `calls` calls, and their quartiles; without calls the reason."""

    what: str
    machine: str
    date: str
    calls: int = 0
    per_second: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: str = ""

    def __str__(self) -> str:
        if self.per_second is None:
            return f"{self.what}: not measured: {self.reason}"
        return (
            f"{self.what}: {self.per_second:,.4g} images/s ({self.lower:,.4g} to {self.upper:,.4g}, {self.calls} calls)"
        )

    def row(self, price_per_hour: float) -> str:
        """A row of the table."""
        if self.per_second is None:
            return f"| {self.what} | not measured: {self.reason.replace('|', '/')} | | | |"
        hours = IMAGES / (self.per_second * 3600)
        spread = f"{self.lower:,.4g} to {self.upper:,.4g}"
        return f"| {self.what} | {self.per_second:,.4g} | {spread} | {hours:,.3g} | {hours * price_per_hour:,.3g} |"


def measure_rates(
    candidates: Sequence[Candidate], *, seconds: float, synchronise: Callable[[], object], machine: str, file: Path
) -> list[Rate]:
    """Measure, print and add to `file` one rate after the other; each gets an equal share of the time that is left.

    A call's clock stops after `synchronise`, which waits for the device. Loading and the first call, the warm-up, count
    against the share. A call isn't interrupted: the budget is exceeded by one candidate's at most.
    """
    end = time.perf_counter() + seconds
    rates = []
    for index, candidate in enumerate(candidates):
        left = end - time.perf_counter()
        share_end = time.perf_counter() + left / (len(candidates) - index)
        rate = _measure(candidate, share_end, synchronise, machine) if left > 0 else _out_of_time(candidate, machine)
        rates.append(rate)
        print(f"  {rate}", flush=True)
        with file.open("a") as out:
            out.write(json.dumps(asdict(rate)) + "\n")
    return rates


def machine_name(gpu: str = "") -> str:
    """The GPU, where the rates are its, and the processor, which decodes and feeds it."""
    cpu = f"{processor()}, {os.cpu_count()} cores"
    return f"{gpu}; {cpu}" if gpu else f"{cpu}, no GPU"


def add_rate_options(parser: argparse.ArgumentParser) -> None:
    positive_float = number(float, 0.001, 1e6, "a number of minutes above 0")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--minutes", type=positive_float, default=4.0, help="time budget (default: %(default)s)")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="add to this file (default: %(default)s)")


def table(rates: Sequence[Rate], price_per_hour: float) -> str:
    """Markdown: per machine one table."""
    formula = f"hours = {IMAGES:,} / (images per second × 3,600); cost = hours × {price_per_hour:g} an hour"
    header = "| part | images/s | quartiles | hours per million | cost per million |\n|---|---|---|---|---|"
    lines = []
    for machine in dict.fromkeys(rate.machine for rate in rates):
        of_machine = [rate for rate in rates if rate.machine == machine]
        rows = [rate.row(price_per_hour) for rate in of_machine]
        lines += [f"{of_machine[-1].date}, {machine}", "", header, *rows, ""]
    return "\n".join([*lines, formula])


def read_rates(file: Path) -> list[Rate]:
    """UserError for another file."""
    try:
        return [Rate(**json.loads(line)) for line in file.read_text().splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"expected rates in {file}, found {error}; run `make bench-gpu`") from error


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        "python -m manifests.bench.rates", description="Print the rates of `make bench-gpu` as tables."
    )
    parser.add_argument("file", type=Path, nargs="?", default=FIGURES, help="(default: %(default)s)")
    parser.add_argument(
        "--price", type=not_negative_float, default=1.0, help="of the machine, per hour (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    print(table(read_rates(options.file), options.price))


def _measure(candidate: Candidate, end: float, synchronise: Callable[[], object], machine: str) -> Rate:
    seconds: list[float] = []
    try:
        call = candidate.prepare()
        call()  # warm-up
        synchronise()
        while len(seconds) < MIN_CALLS or time.perf_counter() < end:
            started = time.perf_counter()
            call()
            synchronise()
            seconds.append(time.perf_counter() - started)
    except Exception as error:  # compilers, drivers and missing devices raise any kind
        line = str(error).strip().partition("\n")[0]
        return Rate(candidate.what, machine, _today(), reason=f"{type(error).__name__}: {line}")
    slow, median, fast = (candidate.images / each for each in reversed(statistics.quantiles(seconds, n=4)))
    return Rate(candidate.what, machine, _today(), len(seconds), median, slow, fast)


def _out_of_time(candidate: Candidate, machine: str) -> Rate:
    return Rate(candidate.what, machine, _today(), reason="no time left; give more --minutes")


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


if __name__ == "__main__":
    run_command(main)
