"""`python -m review_ui.bench`: the review page's speed on this machine, as ratios against named baselines.

load    fifty reviewers at once over HTTP; the baseline is the database alone, one decision a transaction
keys    from key to painted sample in a real browser; the baseline is a plain Gradio page with a button
strokes from the end of a smart stroke to its painted answer; no baseline, 300 ms are wanted
start   from the command to the first sample on the screen with a million samples waiting, and the memory
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from manifests.bench.headline import Figure, add_headline_option, record
from manifests.cli.arguments import run_command
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.errors import UserError
from manifests.store.manifest import ManifestStore
from review_ui.bench.clients import run_clients
from review_ui.bench.queue import waiting_samples

COMMAND = "python -m review_ui.bench --part"
PARTS = ("load", "keys", "strokes", "start")
ROUNDS = 5  # of keys: the page and its baseline in turns


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    images = sorted(options.images.glob("*.jpg"))[: options.limit] if options.images else []
    if options.images and not images:
        raise UserError(f"expected .jpg files in {options.images}, found none; name another directory")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if "load" in options.part:
            load = _report_load(root / "load", options.clients, options.seconds, options.database_url)
            record(options.headline, load)
        if "keys" in options.part:
            keys = _report_keys(root / "keys", options.waiting, options.decisions, images, busy=options.busy)
            record(options.headline, keys)
        if "strokes" in options.part:
            _report_strokes(root / "strokes", options.strokes, images)
        if "start" in options.part:
            record(options.headline, _report_start(root / "start", options.rows))


def _report_load(root: Path, clients: int, seconds: float, database_url: str | None) -> Figure:
    """Durable decisions a second, and whether each is in the log, once."""
    waiting_samples(root, 60_000)
    url = database_url or sqlite_url(root / "data")
    alone = _database_alone(url if database_url else sqlite_url(root / "alone"), seconds / 4)
    with _server(root, url) as (address, _):
        load = run_clients(address, clients=clients, seconds=seconds)
    log = DecisionLog(url)
    kept = {decision.decision_id for decision in log.standing()}
    log.close()
    rate = len(load.stored) / load.seconds
    print(f"{clients} clients over HTTP, one decision a request, {url.split(':')[0]}")
    _print_line("the database alone, one after another (baseline)", alone, "decisions/s", 1.0)
    _print_line("the review server", rate, "decisions/s", rate / alone)
    _print_line("answer to a decision, median", statistics.median(load.decide_ms), "ms")
    _print_line("answer to a decision, 99 of 100", _percentile(load.decide_ms, 99), "ms")
    _print_line("acknowledged and not in the log", len(set(load.stored) - kept), "lost")
    _print_line("handed to two clients", len(load.handed_out) - len(set(load.handed_out)), "samples")
    _print_line("refused", len(load.refused), "decisions")
    what, baseline = f"store decisions durably, {clients} reviewers at once", "the database alone, one after another"
    return Figure(what, rate, "decisions/s", f"{COMMAND} load", baseline, rate / alone)


def _database_alone(url: str, seconds: float) -> float:
    log = DecisionLog(url)
    stored, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        name = str(uuid.uuid4())
        log.append([Decision(name, name[:32], name, "skip", "bench", datetime.now(UTC))])
        stored += 1
    log.close()
    return stored / seconds


def _report_keys(root: Path, waiting: int, decisions: int, images: Sequence[Path], *, busy: bool) -> Figure:
    """Keys on the review page and clicks on the plain one, in turns, so that both meet the same machine."""
    from review_ui.bench import browser as bench_browser  # here: it needs playwright, which only the extra "dev" brings

    waiting_samples(root, waiting, images)
    store, clicks = ManifestStore(root / "manifests"), max(1, min(decisions, 60) // ROUNDS)
    pressed, plain = [], []
    with (
        _server(root, sqlite_url(root / "data")) as (address, _),
        bench_browser.open_browser() as browser,
        bench_browser.plain_gradio(browser, store, ROUNDS * clicks) as plain_page,
        bench_browser.half_busy(os.cpu_count() or 1) if busy else nullcontext(),
    ):
        page = bench_browser.first_sample(browser, address)
        for _ in range(ROUNDS):
            page.bring_to_front()
            pressed.append(bench_browser.press_keys(page, decisions // ROUNDS))
            plain_page.bring_to_front()
            plain += bench_browser.click(plain_page, clicks)
    log = DecisionLog(sqlite_url(root / "data"))
    stored = [decision.sample_id for decision in log.standing()]
    log.close()
    painted_ms = [time_ms for each in pressed for time_ms in each.painted_ms]
    seconds = sum(each.seconds for each in pressed)
    work = ", each core half busy with other work" if busy else ""
    print(f"key to painted sample, {waiting} samples waiting, {len(painted_ms)} decisions in {seconds:.1f} s{work}")
    baseline = _percentile(plain, 95)
    _print_line("a plain Gradio page, median", statistics.median(plain), "ms")
    _print_line("a plain Gradio page, 95 of 100 (baseline)", baseline, "ms", 1.0)
    _print_line("the review page, median", statistics.median(painted_ms), "ms")
    shown = _percentile(painted_ms, 95)
    _print_line("the review page, 95 of 100", shown, "ms", shown / baseline)
    in_order = stored == [sample_id for each in pressed for sample_id in each.sample_ids]
    _print_line("stored in the order of the keys", float(in_order), "(1: all)")
    what = f"key to the next sample on screen, 95 of 100, {waiting:,} waiting"
    return Figure(what, shown, "ms", f"{COMMAND} keys", "a plain Gradio page", baseline / shown)


def _report_strokes(root: Path, strokes: int, images: Sequence[Path]) -> None:
    from review_ui.bench import browser as bench_browser

    store = waiting_samples(root, 100, images)
    with _server(root, sqlite_url(root / "data")) as (address, _), bench_browser.open_browser() as browser:
        took = bench_browser.smart_strokes(bench_browser.first_sample(browser, address), strokes)
    sizes = store.open().read(["width", "height"]).slice(0, 1).to_pylist()[0]
    print(f"smart stroke to painted answer, {strokes} strokes, {sizes['width']}x{sizes['height']} px")
    _print_line("median", statistics.median(took), "ms")
    _print_line("95 of 100", _percentile(took, 95), "ms")


def _report_start(root: Path, rows: int) -> Figure:
    from review_ui.bench import browser as bench_browser

    waiting_samples(root, rows)
    with bench_browser.open_browser() as browser:
        started = time.perf_counter()
        with _server(root, sqlite_url(root / "data")) as (address, process):
            answering = time.perf_counter() - started
            bench_browser.first_sample(browser, address)
            painted = time.perf_counter() - started
            memory = _memory_bytes(process)
    print(f"start with {rows} samples waiting")
    _print_line("from the command to the first answer", answering, "s")
    _print_line("from the command to the first sample on screen", painted, "s")
    _print_line("the server's memory then", memory / 1e6, "MB")
    return Figure(f"command to the first sample on screen, {rows:,} waiting", painted, "s", f"{COMMAND} start")


@contextmanager
def _server(root: Path, database_url: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """`python -m review_ui` in a process of its own: its address, once it answers."""
    command = [sys.executable, "-m", "review_ui", "--manifests", str(root / "manifests"), "--port", "0"]
    command += ["--database-url", database_url, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            address = re.search(r"http://\S+", process.stdout.readline())
            if address is None:
                raise UserError("expected the review server to start, found that it stopped; see above")
            yield address[0], process
        finally:
            process.terminate()


def _memory_bytes(process: "subprocess.Popen[str]") -> int:
    """Resident memory at its highest; Linux."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]  # always there


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _print_line(what: str, value: float, unit: str, ratio: float | None = None) -> None:
    times = "" if ratio is None else f"{ratio:>6.2f}x"
    print(f"  {what:<50}{value:>9.1f} {unit:<12}{times}".rstrip(), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m review_ui.bench", description="Measure the review page here.")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="(default: all)")
    parser.add_argument("--images", type=Path, metavar="DIR", help=".jpg photographs (default: variants of a portrait)")
    parser.add_argument("--limit", type=int, default=200, help="the first N of them (default: %(default)s)")
    parser.add_argument("--waiting", type=int, default=10_000, help="samples in the browser's queue (%(default)s)")
    parser.add_argument("--decisions", type=int, default=300, help="keys pressed in the browser (%(default)s)")
    parser.add_argument("--strokes", type=int, default=60, help="drawn in the editor (default: %(default)s)")
    parser.add_argument("--busy", action="store_true", help="keys: keep each core half busy with other work")
    parser.add_argument("--rows", type=int, default=1_000_000, help="samples waiting at the start (%(default)s)")
    parser.add_argument("--clients", type=int, default=50, help="reviewers at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of load (default: %(default)s)")
    add_headline_option(parser)
    parser.add_argument("--database-url", help="of the load (default: SQLite)")
    return parser


if __name__ == "__main__":
    run_command(main)
