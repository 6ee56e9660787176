"""`python docs/pictures/board.py --output docs/images`: pictures of the lead's page and of the dataset report.

The dataset is made up: random rows, blots of colour for images, and three reviewers who err at random, at known rates.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from browser import DESKTOP, PHONE, chromium, open_page, output_directory, run, served
from playwright.sync_api import Browser, FloatRect, Page

from manifests.bench.rows import made_up_blobs
from manifests.cli.arguments import run_command
from manifests.decisions.decision import Decision, Purpose, Verdict
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.store.manifest import Manifest, ManifestStore
from review_ui.quality.gold import GoldSample, add_gold
from review_ui.quality.mask_corruption import DAMAGES

SAMPLES = 4000
GOLD = 240
SEED = 5
Task = tuple[str, str, Purpose, Verdict]  # sample_id, mask_sha256, what for, the right verdict
REJECTED = 0.25  # of the masks
REASONS = ("background included", "hair", "missing part", "other person")
PAUSE_SECONDS = 1.6  # between two decisions
SHARED, TWICE = 70, 30  # masks of a reviewer that the next one judges too, and that the same one judges again


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Median seconds of a decision, share of errors, minutes since the last decision."""

    name: str
    seconds: float
    errors: float
    minutes_ago: float


REVIEWERS = (Reviewer("aino", 0.9, 0.02, 1), Reviewer("benedikta", 1.2, 0.03, 32), Reviewer("chidi", 0.6, 0.06, 14))


def main(arguments: Sequence[str]) -> None:
    output = output_directory(arguments, __doc__)
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        root = Path(directory)
        manifest = made_up_blobs(ManifestStore(root / "manifests"), 2 * SAMPLES)
        _report(browser, root, output)
        _review(manifest)
        gold = ("--gold-rate", 0.2, "--gold", GOLD)
        with served("review_ui", "--port", 0, "--no-browser", *gold, cwd=root) as url:
            _lead(browser, url, output)
    print(output)


def _report(browser: Browser, root: Path, output: Path) -> None:
    file = root / "report.html"
    run("manifests", "stats", "--manifests", root / "manifests", "--report", file, "--portraits", 0)
    page = open_page(browser, file.as_uri())
    top: FloatRect = {"x": 0, "y": 0, "width": DESKTOP["width"], "height": 1900}
    page.screenshot(path=output / "report.png", full_page=True, clip=top)
    page = open_page(browser, file.as_uri(), size=PHONE, dark=True)
    top = {"x": 0, "y": 0, "width": PHONE["width"], "height": 1500}
    page.screenshot(path=output / "report-phone-dark.png", full_page=True, clip=top)


def _review(manifest: Manifest) -> None:
    """A morning's work of three reviewers on the pending masks: gold among it, some judged twice."""
    rng = np.random.default_rng(SEED)
    keys = ["sample_id", "mask_sha256", "image_sha256", "width", "height"]
    pending = manifest.read(keys, only={"status": "pending"}).to_pylist()
    truth = manifest.read(keys, only={"origin": "ground_truth"}).to_pylist()[:GOLD]
    gold = [
        GoldSample(**row, right_verdict="reject", damage=list(DAMAGES)[n % len(DAMAGES)])
        if n % 2
        else GoldSample(**row, right_verdict="accept")
        for n, row in enumerate(truth)
    ]
    log = DecisionLog(sqlite_url(manifest.data_root))
    with log.writing() as connection:
        add_gold(connection, gold)
    right: dict[str, Verdict] = {row["sample_id"]: "reject" if rng.random() < REJECTED else "accept" for row in pending}
    shares = np.array_split(rng.permutation(np.array(pending))[: len(pending) * 4 // 5], len(REVIEWERS))
    decisions = [
        decision
        for n, reviewer in enumerate(REVIEWERS)
        for decision in _work(reviewer, _tasks([*shares[n], *shares[n - 1][:SHARED]], right, gold), rng)
    ]
    log.append(sorted(decisions, key=lambda decision: decision.decided_at))
    log.close()


def _tasks(share: list[dict[str, str]], right: dict[str, Verdict], gold: list[GoldSample]) -> list[Task]:
    """A reviewer's masks, a gold one after every fifth, and the first TWICE again."""
    tasks: list[Task] = []
    for n, row in enumerate(share):
        tasks.append((row["sample_id"], row["mask_sha256"], "work", right[row["sample_id"]]))
        if n % 5 == 0:
            one = gold[n // 5 % len(gold)]
            tasks.append((one.sample_id, one.mask_sha256, "gold", one.right_verdict))
    again: list[Task] = [
        (row["sample_id"], row["mask_sha256"], "repeat", right[row["sample_id"]]) for row in share[:TWICE]
    ]
    return [*tasks, *again]


def _work(reviewer: Reviewer, tasks: list[Task], rng: np.random.Generator) -> Iterator[Decision]:
    """The reviewer's decisions, the latest first; every third hundred on a page of masks: faster, more errors."""
    at = datetime.now(UTC) - timedelta(minutes=reviewer.minutes_ago)
    for n, (sample_id, mask, purpose, right) in enumerate(reversed(tasks)):
        in_grid = n // 100 % 3 == 2
        errs = rng.random() < reviewer.errors * (2 if in_grid else 1)
        verdict: Verdict = ("accept" if right == "reject" else "reject") if errs else right
        took = float(rng.lognormal(np.log(reviewer.seconds / (2 if in_grid else 1)), 0.35))
        at -= timedelta(seconds=took + PAUSE_SECONDS * float(rng.lognormal(0, 0.5)))
        reason = REASONS[int(rng.integers(len(REASONS)))] if verdict == "reject" else None
        yield Decision(
            f"{reviewer.name}-{n}", sample_id, mask, verdict, reviewer.name, at, reason,
            round(took * 1000), "grid" if in_grid else "single", purpose,
        )  # fmt: skip


def _lead(browser: Browser, url: str, output: Path) -> None:
    page = open_page(browser, f"{url}/lead/", size=DESKTOP)
    _tab(page, "Progress")
    page.screenshot(path=output / "lead-progress.png")
    _tab(page, "Reviewers")
    page.screenshot(path=output / "lead-reviewers.png", full_page=True)
    page = open_page(browser, f"{url}/lead/", dark=True)
    _tab(page, "Reasons")
    page.screenshot(path=output / "lead-reasons-dark.png")


def _tab(page: Page, name: str) -> None:
    tab = page.get_by_role("tab", name=name, exact=True)
    tab.wait_for(timeout=120_000)
    tab.click()
    page.wait_for_timeout(2000)


if __name__ == "__main__":
    run_command(main)
