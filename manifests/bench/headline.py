"""Headline figures: each bench adds its own to a file, and `python -m manifests.bench.headline FILE` prints one table.

`make bench` does both. A ratio is a speed divided by that of a named baseline, measured in the same run.
"""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from manifests.cli.arguments import run_command
from manifests.errors import UserError


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; `ratio` is the speed relative to that of `baseline`, above 1 where faster, None without one."""

    what: str
    value: float
    unit: str
    command: str
    baseline: str = ""
    ratio: float | None = None

    def __str__(self) -> str:
        against = "" if self.ratio is None else f"{self.ratio:.2f} x {self.baseline}"
        return f"| {self.what} | {self.value:,.4g} {self.unit} | {against} | `{self.command}` |"


def add_headline_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--headline", type=Path, metavar="FILE", help="add the headline figures to this file, as JSON")


def record(file: Path | None, *figures: Figure) -> None:
    """Append the figures to `file`, one a line; nothing without a file."""
    if file is not None:
        with file.open("a") as out:
            out.writelines(json.dumps(asdict(figure)) + "\n" for figure in figures)


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table, below a line with the date and the machine."""
    machine = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    header = "| figure | here | against | command |\n|---|---|---|---|"
    return "\n".join([f"{datetime.now(UTC):%Y-%m-%d}, {machine}", "", header, *map(str, figures)])


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        "python -m manifests.bench.headline", description="Print the headline figures of `make bench` as one table."
    )
    parser.add_argument("file", type=Path, help="file with the figures of the benches")
    print(table(_read(parser.parse_args(arguments).file)))


def _read(file: Path) -> list[Figure]:
    try:
        return [Figure(**json.loads(line)) for line in file.read_text().splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"expected figures of the benches in {file}, found {error}; run `make bench`") from error


def processor() -> str:
    """The processor's name; its architecture where the system doesn't give one."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    run_command(main)
