"""What a run says of itself when it is over, on a tiny run that is really finished; without a Prefect server."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bad_pictures import EXPECTED_REASON, write_bad_pictures
from PIL import Image
from prefect.settings import PREFECT_API_URL, temporary_settings

from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.contact_sheet import COLUMNS, GAP_PX, TILE_PX
from manifests.store.manifest import ManifestStore
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling.commit import Generated, commit_shards
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.report import (
    EMBEDDED_LIMIT_BYTES,
    EMBEDDED_WIDTH_PX,
    Labelled,
    Summary,
    chosen,
    counts_table,
    data_url,
    masks_sheet,
    page,
    stays_here,
    summarise,
    write_sheet,
)
from pipeline.labelling.shards import process_shard
from pipeline.run import artifacts, progress_bar
from pipeline.sources import Origins, find_pictures
from pipeline.teachers import load_teacher

REASONS = [reason for reason in EXPECTED_REASON.values() if reason]
SHEET = Path("data/reports/0123456789ab.jpg")
PITCH_PX = TILE_PX + GAP_PX


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> tuple[Labelled, Generated, Path]:
    """Two shards of ten odd pictures, four of them usable; the second is a resumed one. And the data root."""
    root = tmp_path_factory.mktemp("finished")
    blobs, teacher = BlobStore(root / "data"), load_teacher("grabcut")
    pictures = find_pictures(str(write_bad_pictures(root / "pictures", astronaut)))
    shards = [pictures[:5], pictures[5:]]
    work = LabelWork(Origins("odd"))
    results = [
        process_shard(shard, root / f"data/shards/{index}", lambda: Labeller(work, default_detector(), teacher, blobs))
        for index, shard in enumerate(shards)
    ]
    results[1] = replace(results[1], resumed=True)
    store = ManifestStore(root / "manifests")
    generated = commit_shards(results, store, blobs.root, parameters={"images": "pictures"})
    return Labelled(results, [5, 5], 2.0), generated, blobs.root


@pytest.fixture(scope="module")
def summary(finished: tuple[Labelled, Generated, Path]) -> Summary:
    labelled, generated, _ = finished
    return summarise(labelled, generated)


def test_the_counts_are_those_of_the_run(summary: Summary) -> None:
    assert (summary.pictures, summary.samples, summary.samples_added) == (10, 4, 4)
    assert summary.statuses == {"pending": 4}
    assert summary.reasons == {reason: REASONS.count(reason) for reason in REASONS}
    assert (summary.shards, summary.shards_resumed) == (2, 1)
    assert summary.teacher == load_teacher("grabcut").name
    assert summary.manifest.endswith("manifests/v1.parquet")


def test_the_line_of_a_run_counts_unusable_images_by_reason(finished: tuple[Labelled, Generated, Path]) -> None:
    _labelled, generated, data_root = finished
    [table] = (data_root / "quarantine").iterdir()
    counts = ", ".join(f"{REASONS.count(reason)} {reason}" for reason in generated.reasons)
    assert str(generated) == f"4 portrait(s); 6 image(s) can't be used ({counts}), see {table}"
    assert sorted(generated.reasons) == sorted(set(REASONS))


def test_speed_is_of_the_shards_labelled_now(summary: Summary) -> None:
    assert summary.pictures_per_second == 5 / 2.0
    assert replace(summary, pictures_now=0).pictures_per_second is None
    assert "nothing to measure" in page(replace(summary, pictures_now=0), SHEET, None)


def test_statuses_are_the_versions(finished: tuple[Labelled, Generated, Path], tmp_path: Path) -> None:
    labelled, generated, data_root = finished
    table = ManifestStore(Path(generated.manifest).parent).open().read()
    reviewed = table.set_column(
        table.column_names.index("status"), "status", [["accepted", "accepted", "rejected", "pending"]]
    )
    later = ManifestStore(tmp_path).commit(
        reviewed, parent=None, operation="publish", parameters={}, data_root=data_root
    )
    assert summarise(labelled, replace(generated, manifest=str(later.path))).statuses == {
        "accepted": 2,
        "rejected": 1,
        "pending": 1,
    }


def test_the_table_says_what_is_counted_in_each_row(summary: Summary) -> None:
    rows = {(row["of"], row["which"]): row["count"] for row in counts_table(summary)}
    assert rows["images", "all"] == 10
    assert rows["images in quarantine", "no face"] == REASONS.count("no face")
    assert rows["samples by status", "pending"] == 4
    assert rows["shards", "resumed: finished by an earlier run"] == 1


def test_the_page_names_version_teacher_speed_and_sheet(summary: Summary) -> None:
    text = page(summary, SHEET, None)
    for expected in (summary.manifest, str(summary.teacher), "2.5 images per second", str(SHEET), *REASONS):
        assert expected in text
    assert "people's faces" in text


def test_a_name_is_never_markup(summary: Summary) -> None:
    text = page(replace(summary, manifest="a`<b>\n# c.parquet"), SHEET, None)
    assert "- Version: `` a`<b> # c.parquet ``;" in text


@pytest.mark.parametrize(
    ("api_url", "here"),
    [
        (None, True),  # a server of the flow's own
        ("http://127.0.0.1:4200/api", True),
        ("http://localhost:4200/api", True),
        ("http://[::1]:4200/api", True),
        ("https://api.prefect.cloud/api/accounts/1/workspaces/2", False),
        ("http://10.0.0.7:4200/api", False),
        ("http://127.0.0.1.example.com/api", False),
        ("http://127.0.0.1@example.com/api", False),
        ("http://0.0.0.0:4200/api", False),
    ],
)
def test_only_a_loopback_api_stays_here(api_url: str | None, here: bool) -> None:
    assert stays_here(api_url) is here


def test_no_picture_is_in_the_page_unless_it_was_given(
    summary: Summary, finished: tuple[Labelled, Generated, Path]
) -> None:
    labelled, _, data_root = finished
    embedded = data_url(masks_sheet(labelled.results, BlobStore(data_root)))
    assert "data:image" not in page(summary, SHEET, None)
    assert f"![Contact sheet of masks]({embedded})" in page(summary, SHEET, embedded)


@pytest.mark.parametrize(("api_url", "pictures"), [("http://127.0.0.1:4200/api", 1), ("http://10.0.0.7:4200/api", 0)])
def test_a_server_elsewhere_is_sent_no_picture(
    finished: tuple[Labelled, Generated, Path], monkeypatch: pytest.MonkeyPatch, api_url: str, pictures: int
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda markdown, **_: sent.append(markdown))
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda table, **_: sent.append(str(table)))
    with temporary_settings({PREFECT_API_URL: api_url}):
        artifacts.show_report(*finished)
    assert len(sent) == 2
    assert "".join(sent).count("data:image") == pictures


def test_the_sheet_shows_every_sample_of_a_small_run_as_a_tile(finished: tuple[Labelled, Generated, Path]) -> None:
    labelled, _, data_root = finished
    sheet = masks_sheet(labelled.results, BlobStore(data_root))
    assert sheet.shape == (PITCH_PX + GAP_PX, 4 * PITCH_PX + GAP_PX, 3)
    path = write_sheet(sheet, labelled.results, data_root)
    assert path.parent == data_root / "reports"
    assert path == write_sheet(sheet, labelled.results, data_root)
    with Image.open(path) as written:
        assert written.size == sheet.shape[1::-1]


def test_a_lost_blob_is_named(finished: tuple[Labelled, Generated, Path], tmp_path: Path) -> None:
    with pytest.raises(BlobError, match="expected the blob"):
        masks_sheet(finished[0].results, BlobStore(tmp_path))


def test_the_embedded_picture_is_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3 * PITCH_PX, COLUMNS * PITCH_PX, 3), np.uint8)
    url = data_url(noise)  # the worst a JPEG can meet
    assert url is not None
    assert len(url) <= EMBEDDED_LIMIT_BYTES
    data = base64.b64decode(re.fullmatch(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", url)[1])
    with Image.open(io.BytesIO(data)) as small:
        assert small.width == EMBEDDED_WIDTH_PX


def test_a_picture_over_the_limit_is_left_out() -> None:
    assert data_url(np.zeros((100, 100, 3), np.uint8), limit_bytes=100) is None


def test_the_most_doubtful_come_first_and_the_rest_is_spread() -> None:
    doubts = [index / 100 for index in range(100)]
    assert chosen(doubts, 8) == [99, 98, 97, 96, 83, 59, 35, 11]
    assert chosen(doubts[:3], 8) == [2, 1, 0]
    assert sorted(chosen(doubts[:7], 8)) == list(range(7))
    assert len(set(chosen(doubts))) == 24


class Bar:
    """A bar that shows nothing."""

    n = 0

    def update(self, n: int) -> None:
        self.n += n


def test_the_bar_counts_each_picture_once_whoever_labelled_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = Bar()
    monkeypatch.setattr(progress_bar, "_bar", bar)
    monkeypatch.setattr(progress_bar, "_count", 0)
    for _ in range(3):  # a shard of three, in this process
        progress_bar.advance(1)
    progress_bar.reach(3)
    progress_bar.reach(8)  # a shard of five, in another
    assert bar.n == 8
    progress_bar.advance(1)
    progress_bar.reach(8)
    assert bar.n == 9


def test_without_a_run_the_bar_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress_bar.advance(1)
    progress_bar.reach(5)
    with progress_bar.shown(5):
        progress_bar.advance(1)
    assert capsys.readouterr().err == ""  # standard error is no terminal here
