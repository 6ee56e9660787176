import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from manifests.bench import rates
from manifests.bench.rates import Candidate, Rate, measure_rates, read_rates
from manifests.errors import UserError


def sleeping(seconds: float) -> Callable[[], Callable[[], None]]:
    return lambda: lambda: time.sleep(seconds)


def unavailable() -> Callable[[], None]:
    raise RuntimeError("no compiler\nand a long trace")


def test_a_failing_candidate_is_named_with_its_reason_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rates"
    candidates = [Candidate("compiled", 4, unavailable), Candidate("eager", 4, sleeping(0.01))]
    measured = measure_rates(candidates, seconds=0.1, synchronise=lambda: None, machine="a CPU", file=file)

    compiled, eager = measured
    assert (compiled.per_second, compiled.reason) == (None, "RuntimeError: no compiler")
    assert eager.lower
    assert eager.per_second
    assert eager.upper
    assert eager.lower <= eager.per_second <= eager.upper
    assert 100 < eager.per_second <= 400
    assert read_rates(file) == measured
    assert "compiled: not measured: RuntimeError: no compiler\n" in capsys.readouterr().out


def test_the_budget_holds_and_what_it_left_out_is_named(tmp_path: Path) -> None:
    candidates = [Candidate(str(number), 1, sleeping(0.05)) for number in range(20)]
    started = time.perf_counter()
    measured = measure_rates(
        candidates, seconds=0.1, synchronise=lambda: None, machine="a CPU", file=tmp_path / "rates"
    )
    assert time.perf_counter() - started < 0.9  # all of them take 4 s
    assert measured[0].per_second
    assert "no time left" in measured[-1].reason


def test_the_clock_stops_when_the_device_is_done(tmp_path: Path) -> None:
    asynchronous = Candidate("a kernel", 1, sleeping(0))
    [rate] = measure_rates(
        [asynchronous], seconds=0.1, synchronise=partial(time.sleep, 0.02), machine="a GPU", file=tmp_path / "rates"
    )
    assert rate.per_second
    assert rate.per_second <= 50


def test_the_table_has_every_rate_by_machine_with_hours_and_cost_of_a_million(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rates"
    measure_rates([Candidate("compiled", 1, unavailable)], seconds=1, synchronise=print, machine="one", file=file)
    with file.open("a") as out:
        out.write('{"what": "decode", "machine": "two", "date": "2026-11-30", "calls": 3, ')
        out.write('"per_second": 1000.0, "lower": 900.0, "upper": 1100.0}\n')
    rates.main([str(file), "--price", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert "| compiled | not measured: RuntimeError: no compiler | | | |" in lines
    assert "2026-11-30, two" in lines
    assert "| decode | 1,000 | 900 to 1,100 | 0.278 | 0.556 |" in lines
    assert lines[-1] == "hours = 1,000,000 / (images per second × 3,600); cost = hours × 2 an hour"


def test_a_file_without_rates_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "rates").write_text('{"what": "fit"}\n')
    with pytest.raises(UserError, match=re.escape("run `make bench-gpu`")):
        read_rates(tmp_path / "rates")
    assert str(Rate("fit", "a CPU", "2026-11-30", reason="none")) == "fit: not measured: none"
