import re
import subprocess
import sys
from pathlib import Path

from manifests.bench.headline import Figure, record, table


def test_the_table_has_a_row_for_each_figure_below_the_date_and_the_machine(tmp_path: Path) -> None:
    record(tmp_path / "figures", Figure("fit", 85.04, "images/s", "python -m trainer.bench", "the old way", 2.777))
    record(tmp_path / "figures", Figure("start", 1234.5, "ms", "python -m review_ui.bench"))
    record(None, Figure("not asked for", 1, "s", "true"))

    command = [sys.executable, "-m", "manifests.bench.headline", str(tmp_path / "figures")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    machine, _, _, _, *rows = printed.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d, .+, \d+ cores, Python 3\.\d+\.\d+", machine)
    assert rows == [
        "| fit | 85.04 images/s | 2.78 x the old way | `python -m trainer.bench` |",
        "| start | 1,234 ms |  | `python -m review_ui.bench` |",
    ]


def test_figures_that_no_bench_wrote_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text('{"what": "fit"}\n')

    command = [sys.executable, "-m", "manifests.bench.headline", str(tmp_path / "figures")]
    done = subprocess.run(command, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: expected figures of the benches in .+, found .+; run `make bench`\n", done.stderr)


def test_an_empty_table_has_a_header() -> None:
    assert table([]).endswith("| figure | here | against | command |\n|---|---|---|---|")
