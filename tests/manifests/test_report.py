"""`python -m manifests stats --report`: the page holds the version's numbers, takes no orders, and opens offline."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from playwright.sync_api import Browser
from repository import ROOT

from manifests.__main__ import main
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box
from manifests.report.write import write_report
from manifests.samples.attributes import write_attributes
from manifests.samples.sample import Source, store_sample
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.upkeep.stats import NOT_STATED, Statistics, describe

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script>$\\frac$&amp;\n\x1b[31m'
SHOWN = HOSTILE.replace("\n", "\N{REPLACEMENT CHARACTER}").replace("\x1b", "\N{REPLACEMENT CHARACTER}")


class Page(HTMLParser):
    """A report, taken apart: `tables` by caption (header row first), `cards`, `images` (alt texts), `text`, `tags`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.cards: dict[str, str] = {}
        self.images: list[str] = []
        self.tags: Counter[str] = Counter()
        self.words: list[str] = []
        self._rows: list[list[str]] = []
        self._open = ""
        self._last_dt = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self._open = tag
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")
        elif tag == "img":
            self.images.append(dict(attrs)["alt"] or "")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._open in ("th", "td"):
            self._rows[-1][-1] += data
        elif self._open == "caption":
            self.tables[data] = self._rows
        elif self._open == "dt":
            self._last_dt = data
        elif self._open == "dd":
            self.cards[self._last_dt] = data

    @property
    def text(self) -> str:
        return "".join(self.words)

    def counts(self, caption: str, names: int = 1) -> dict[tuple[str, ...], dict[str, int]]:
        """The whole numbers of a table: by its names, then by the header."""
        header, *rows = self.tables[caption]
        return {
            tuple(row[:names]): {
                head: int(cell.replace(",", ""))
                for head, cell in zip(header[names:], row[names:], strict=True)
                if re.fullmatch(r"[\d,]+", cell)
            }
            for row in rows
        }


def dataset(root: Path, rows: Sequence[dict[str, Any]], *, pictures: int = 3) -> Manifest:
    """A version of one row for each of `rows`, which says what differs; the rows share a few pictures."""
    blobs = BlobStore(root / "data")
    drawn = [_sample(blobs, seed) for seed in range(min(pictures, len(rows)))]
    table = [
        {
            **drawn[n % pictures],
            "sample_id": f"{n:032x}",
            "group_id": f"{n:032x}",
            "split": "train",
            "added_in": 1,
            **row,
        }
        for n, row in enumerate(rows)
    ]
    ManifestStore(root / "manifests").commit(
        pa.Table.from_pylist(table, schema=SCHEMA),
        parent=None,
        operation="generate",
        parameters={},
        data_root=root / "data",
    )
    return ManifestStore(root / "manifests").open()


def _sample(blobs: BlobStore, seed: int) -> dict[str, Any]:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    mask = np.zeros((64, 48), np.uint8)
    mask[20:, :30] = 250
    return store_sample(
        blobs,
        np.asarray(Image.fromarray(coarse).resize((48, 64), Image.Resampling.BICUBIC)),
        mask,
        source=Source("web", f"/web/{seed}.jpg", f"{seed:064x}", "CC0"),
        roi=Box(0, 0, 48, 64),
        origin="teacher",
        teacher="toy@0123456789ab",
        others={"doubt": 0.5},
    )


def mixed(count: int = 60) -> list[dict[str, Any]]:
    """Rows of three sources, all statuses, two licences and none, groups of several sizes, with and without a face."""
    rows = []
    for n in range(count):
        status = ("pending", "accepted", "rejected", "conflict")[n % 4]
        row: dict[str, Any] = {
            "source": ("web", "studio", HOSTILE)[n % 3],
            "license": ("CC0", None, HOSTILE)[n % 3],
            "split": ("train", "train", "train", "val", "test")[n % 5],
            "status": status,
            "reviewers": [] if status == "pending" else ["ana"],
            "doubt": None if n % 7 == 0 else (n % 10) / 10,
            "face_w": None if n % 2 else 20.0 + n,
            "face_h": None if n % 2 else 30.0 + n,
        }
        if status == "rejected":
            row |= {"reason": ("hair", HOSTILE)[n % 8 == 2], "decided_at": NOON, "decision_ms": 500 + 10 * n}
        if n >= 50:  # of a split, as all groups
            row |= {"group_id": f"{50:032x}", "split": "train"}
        rows.append(row)
    return rows


def report(manifest: Manifest, portraits_drawn: int = 24) -> Page:
    path = report_path(manifest, portraits_drawn)
    write_report(Statistics(manifest), path, portraits_drawn=portraits_drawn)
    return Page(path.read_text())


def report_path(manifest: Manifest, portraits_drawn: int) -> Path:
    return manifest.path.with_name(f"report-{portraits_drawn}.html")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Page]:
    manifest = dataset(tmp_path_factory.mktemp("mixed"), mixed())
    return manifest, report(manifest, portraits_drawn=4)


# The numbers


def test_cards_and_tables_hold_the_counts_of_the_version(shown: tuple[Manifest, Page]) -> None:
    manifest, page = shown
    rows = manifest.read().to_pylist()
    statuses = Counter(row["status"] for row in rows)
    assert {status: int(page.cards[status]) for status in statuses} == statuses
    assert page.cards["near-duplicate groups"] == str(len({row["group_id"] for row in rows})) == "51"
    by_source = Counter((_name(row["source"]), row["origin"], row["status"]) for row in rows)
    table = page.counts("By source, origin and status", names=2)
    assert {(*names, status): n for names, line in table.items() for status, n in line.items() if status != "all"} == {
        (source, "teacher", status): by_source[source, "teacher", status]
        for source in ("web", "studio", SHOWN)
        for status in statuses
    }
    assert sum(line["all"] for line in table.values()) == 60
    by_split = Counter((row["split"], row["status"]) for row in rows)
    assert page.counts("By split and status") == {
        (split,): {
            **{status: by_split[split, status] for status in ("accepted", "rejected", "conflict", "pending")},
            "all": sum(row["split"] == split for row in rows),
        }
        for split in ("train", "val", "test")
    }
    by_source_split = Counter((_name(row["source"]), row["split"]) for row in rows)
    shares = page.counts("By source and split")
    assert {(*names, split): n for names, line in shares.items() for split, n in line.items()} == {
        (source, split): by_source_split[source, split]
        for source in ("web", "studio", SHOWN)
        for split in ("train", "val", "test")
    }


def test_reasons_licences_teachers_and_groups_are_counted(shown: tuple[Manifest, Page]) -> None:
    manifest, page = shown
    rows = manifest.read().to_pylist()
    reasons = Counter(_name(row["reason"]) for row in rows if row["reason"])
    assert page.counts("Reasons of rejected samples") == {(name,): {"samples": n} for name, n in reasons.items()}
    licences = Counter((_name(row["license"]), _name(row["source"])) for row in rows)
    assert page.counts("By licence, as stated by the sources", names=2) == {
        names: {"samples": n} for names, n in licences.items()
    }
    assert page.tables["By teacher and status"][1] == ["toy@0123456789ab", "15", "15", "15", "15", "60", "50.0 %"]
    assert page.counts("Groups by size") == {("1",): {"groups": 50}, ("10 to 99",): {"groups": 1}}


def test_quantiles_are_those_of_the_rows(shown: tuple[Manifest, Page]) -> None:
    manifest, page = shown
    table = manifest.read(["face_w", "face_h", "doubt", "decision_ms"]).to_pandas()
    faces = table[["face_w", "face_h"]].min(axis="columns").dropna()
    lines = {row[0]: row[1:] for row in page.tables["Quantiles"][1:]}
    for what, values in (
        ("face, shorter side, source px", faces),
        ("doubt", table["doubt"].dropna()),
        ("seconds per decision", table["decision_ms"].dropna() / 1000),
    ):
        *shares, known = lines[what]
        assert int(known) == len(values)
        expected = values.astype(float).quantile([0.05, 0.25, 0.5, 0.75, 0.95])
        assert [float(share) for share in shares] == pytest.approx(expected.tolist(), rel=1e-3)
    assert "A face was detected in 30 of 60 samples." in page.text
    assert "60 of 60 samples were read" in page.text


def test_slices_count_every_sample_once_for_each_property(shown: tuple[Manifest, Page]) -> None:
    _, page = shown
    table = page.tables["Slices by face, person and border"][1:]
    faces = {name: int(samples) for by, name, samples, _ in table if by == "face height"}
    assert faces == {"40 % and more": 30, "not known": 30}
    for by in ("face height", "person share", "border share"):
        assert sum(int(samples) for each, _, samples, _ in table if each == by) == 60
    light = page.tables["Slices by light, of the images that were read"][1:]
    for measure in ("brightness", "contrast"):  # 30 faces have a width and a height but no place: the image's light
        assert sum(int(samples) for by, _, samples, _ in light if by == f"image {measure}") == 60


def test_attributes_beside_the_blobs_are_counted(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [{}, {}, {}])
    write_attributes(manifest.data_root, [f"{0:032x}", f"{1:032x}"], {"hair": ["curly", HOSTILE]})
    table = report(manifest, portraits_drawn=0).tables["Slices by attribute"][1:]
    assert {name: samples for _, name, samples, _ in table} == {"curly": "1", SHOWN: "1", "not known": "1"}


def test_text_and_page_agree(shown: tuple[Manifest, Page]) -> None:
    manifest, page = shown
    text = describe(Statistics(manifest))
    assert f"{manifest.path}: 60 samples, 51 near-duplicate groups" in text
    median = {row[0]: row[3] for row in page.tables["Quantiles"][1:]}["seconds per decision"]
    assert f"seconds per decision: median {float(median):.2f}" in text
    for reason, count in page.tables["Reasons of rejected samples"][1:]:
        assert re.search(rf"^{re.escape(reason)} +{count}$", text, re.MULTILINE)


@pytest.mark.slow
def test_a_table_names_the_largest_sources_and_folds_the_others(tmp_path: Path) -> None:
    rows = [{"source": f"source {n // 2:02d}"} for n in range(100)] + [{"source": "large"}] * 9
    page = report(dataset(tmp_path, rows), portraits_drawn=0)
    table = page.counts("By source, origin and status", names=2)
    assert len(table) == 40
    assert table["large", "teacher"]["all"] == 9
    assert table["(12 others)", "teacher"]["all"] == 2 * 12
    assert sum(line["all"] for line in table.values()) == 109


def test_counting_by_sorting_and_directly_agree(shown: tuple[Manifest, Page], monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = Statistics(shown[0])
    directly = numbers.count("source", "license", "status")
    monkeypatch.setattr("manifests.upkeep.stats._COUNTED_DIRECTLY", 0)
    assert numbers.count("source", "license", "status").equals(directly)
    assert set(directly["license"]) == {"CC0", NOT_STATED, SHOWN}


# Hostile, empty and damaged


def test_names_are_text_and_never_markup(shown: tuple[Manifest, Page]) -> None:
    manifest, page = shown
    html = report_path(manifest, 4).read_text()
    assert page.tags["script"] == 0
    assert "<script" not in html
    assert "\x1b" not in html
    assert "\x1b" not in describe(Statistics(manifest))
    assert page.text.count(SHOWN) >= 4  # source, licence, reason; shortened in plots
    assert not re.search(r"\s(src|href)=.(?!data:|#)", html)


@pytest.mark.parametrize("suffix", [".html", pytest.param(".png", marks=pytest.mark.slow)])
def test_the_same_version_gives_the_same_bytes(shown: tuple[Manifest, Page], tmp_path: Path, suffix: str) -> None:
    first, second = (tmp_path / f"{name}{suffix}" for name in ("first", "second"))
    for path in (first, second):
        write_report(Statistics(shown[0]), path, portraits_drawn=2)
    assert first.read_bytes() == second.read_bytes()


def test_the_picture_holds_plots_and_portraits(shown: tuple[Manifest, Page], tmp_path: Path) -> None:
    sizes = {}
    for portraits in (0, 3):
        write_report(Statistics(shown[0]), tmp_path / "report.png", portraits_drawn=portraits)
        with Image.open(tmp_path / "report.png") as image:
            sizes[portraits] = image.size
            assert len(image.convert("RGB").getcolors(1 << 24)) > 50
    assert sizes[0][0] == sizes[3][0]
    assert sizes[3][1] > sizes[0][1]


@pytest.mark.parametrize("suffix", [".html", pytest.param(".png", marks=pytest.mark.slow)])
def test_one_undecided_row_with_nothing_known_makes_a_report(tmp_path: Path, suffix: str) -> None:
    unknown = [field.name for field in SCHEMA if field.nullable and field.name != "teacher"]
    manifest = dataset(tmp_path, [dict.fromkeys(unknown)])
    path = tmp_path / f"report{suffix}"
    write_report(Statistics(manifest), path)
    if suffix == ".png":
        with Image.open(path) as image:
            image.load()
        return
    page = Page(path.read_text())
    assert page.cards["pending"] == "1"
    assert "The decisions' times are unknown." in page.text
    assert "No rejection has a reason." in page.text
    assert "A face was detected in 0 of 1 samples." in page.text
    assert page.tables["By teacher and status"][1][-1] == "none decided"
    assert {row[0]: row[-1] for row in page.tables["Quantiles"][1:]}["doubt"] == "0"
    assert page.counts("By licence, as stated by the sources", names=2) == {(NOT_STATED, "web"): {"samples": 1}}


def test_ground_truth_alone_has_no_teacher(tmp_path: Path) -> None:
    trusted = {"origin": "ground_truth", "teacher": None, "status": "accepted"}
    page = report(dataset(tmp_path, [trusted, trusted]))
    assert "No teacher made a mask of this version" in page.text
    assert "By teacher and status" not in page.tables


@pytest.mark.slow
def test_missing_blobs_are_told_and_the_rest_is_drawn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manifest = dataset(tmp_path, [{}] * 9)
    lost = tmp_path / "data" / manifest.read(["image"])["image"][0].as_py()
    lost.unlink()
    page = report(manifest, portraits_drawn=9)
    assert len(page.images) == 6
    assert "6 of 9 samples were read, evenly spread over all. 3 more can't be read, the first: " in page.text
    assert str(lost) in page.text
    [warning] = caplog.messages
    assert warning.startswith(f"1 image(s) can't be read, the first: expected the blob {lost}")


def test_no_blob_at_all_still_makes_a_report(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, [{}] * 3)
    page = report(Manifest.open(manifest.path, data_root=tmp_path / "elsewhere"))
    assert page.images == []
    assert "0 of 3 samples were read" in page.text
    assert "None of them can be read." in page.text


@pytest.mark.slow
def test_without_portraits_no_pixel_of_a_picture_is_shown(shown: tuple[Manifest, Page]) -> None:
    page = report(shown[0], portraits_drawn=0)
    assert page.images == []
    assert "data:image" not in report_path(shown[0], 0).read_text()
    assert "Portraits" not in [word.strip() for word in page.words]


def test_portraits_are_drawn_of_each_status_and_group(shown: tuple[Manifest, Page]) -> None:
    _, page = shown
    assert len(page.images) == 4 * 4 + 4  # of each status; of the one group of look-alikes
    assert all(re.fullmatch(r"Portrait [0-9a-f]{8} of .+", alt) for alt in page.images)


# The command


@pytest.mark.slow
def test_the_command_prints_the_tables_and_last_the_report(
    shown: tuple[Manifest, Page], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new/report.html"
    main(["stats", str(shown[0].path), "--report", str(path), "--portraits", "1"])
    out = capsys.readouterr().out
    assert "samples by source, origin and status" in out
    assert out.splitlines()[-1] == str(path)
    assert Page(path.read_text()).cards["accepted"] == "15"


def test_another_suffix_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a report's name such as report.html or report.png, found r.pdf"):
        main(["stats", "--manifests", str(tmp_path), "--report", "r.pdf"])


def test_stats_without_a_report_load_no_plotting_library(shown: tuple[Manifest, Page]) -> None:
    code = (
        "import sys; from manifests.__main__ import main; main(sys.argv[1:]); "
        "print([name for name in ('matplotlib', 'torch', 'prefect', 'gradio', 'fastapi') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "stats", str(shown[0].path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# In a real browser


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_offline_and_fits_the_screen(
    shown: tuple[Manifest, Page], browser: Browser, width: int, scheme: str
) -> None:
    url = report_path(shown[0], 4).resolve().as_uri()
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    assert page.title() == "Portraits: v1.parquet"
    assert said == []
    assert [address for address in asked if not address.startswith("data:")] == [url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg[role=img][aria-label]").count() == page.locator("figure").count() > 5
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    background, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg text')).fill]"
    )
    assert (_brightness(background) > _brightness(ink)) == (scheme == "light")
    context.close()


def _brightness(css_colour: str) -> int:
    return sum(int(number) for number in re.findall(r"\d+", css_colour)[:3])


def _name(stored: str | None) -> str:
    return NOT_STATED if stored is None else SHOWN if stored == HOSTILE else stored
