"""`diff`: what became of the rows between two versions, counted, listed and drawn."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from joined_rows import join_dataset
from PIL import Image

from manifests.__main__ import main
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.masks import encode_mask
from manifests.samples.sample import Source, store_sample
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.versions.diff import Diff, diff, draw_changes

Rows = dict[str, dict[str, Any]]


def picture(seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 64), Image.Resampling.BICUBIC))


def mask(top: int = 20, level: int = 240) -> Pixels:
    values = np.zeros((64, 48), np.uint8)
    values[top:, :30] = level
    return values


class Dataset:
    """Versions of six samples, `0`..`5`, of two sources; each edit is a version."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = BlobStore(root / "data")
        self.store = ManifestStore(root / "manifests")

    def add(self, seeds: range) -> Manifest:
        rows = [
            store_sample(
                self.blobs,
                picture(seed),
                mask(),
                source=Source("web" if seed % 2 else "studio", f"/{seed}.jpg", f"{seed:064x}"),
                roi=Box(0, 0, 48, 64),
                origin="teacher",
                teacher="toy@0123456789ab",
            )
            for seed in seeds
        ]
        return self._commit(lambda table, version: join_dataset(rows, table, version=version))

    def edit(self, changes: Rows, *, remove: tuple[str, ...] = (), backwards: bool = False) -> Manifest:
        """A version whose rows of those names are changed or removed, in the same order or the opposite one."""

        def change(table: pa.Table | None, _version: int) -> pa.Table:
            assert table is not None
            named = {Path(row["source_uri"]).stem: row for row in table.to_pylist()}
            rows = [row | changes.get(name, {}) for name, row in named.items() if name not in remove]
            return pa.Table.from_pylist(rows[::-1] if backwards else rows, schema=SCHEMA)

        return self._commit(change)

    def new_mask(self, top: int) -> dict[str, Any]:
        blob = self.blobs.put(encode_mask(mask(top)), ".png")
        return {"mask": blob.path, "mask_sha256": blob.sha256}

    def open(self, version: int) -> Manifest:
        return self.store.open(version)

    def _commit(self, change: Any) -> Manifest:
        made = self.store.update(change, operation="edit", parameters={}, data_root=self.root / "data")
        assert made is not None
        return made


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compared")
    Dataset(root).add(range(6))
    return root


@pytest.fixture
def dataset(original: Path, tmp_path: Path) -> Dataset:
    return Dataset(Path(shutil.copytree(original, tmp_path / "set")))


def names(dataset: Dataset, rows: pa.Table) -> list[str]:
    """The samples of a table of a diff, by the names the dataset gave them."""
    of_id = {
        row["sample_id"]: Path(row["source_uri"]).stem
        for version in dataset.store.versions()
        for row in dataset.open(version).read(["sample_id", "source_uri"]).to_pylist()
    }
    return [of_id[sample_id] for sample_id in rows["sample_id"].to_pylist()]


def kinds(dataset: Dataset, found: Diff) -> dict[str, list[str]]:
    tables = {"added": found.added, "removed": found.removed, "redecided": found.redecided, "new": found.relabelled}
    return {kind: sorted(names(dataset, rows)) for kind, rows in tables.items()}


ACCEPTED = {"status": "accepted", "votes_accept": 1, "reviewers": ["ana"]}
REJECTED = {"status": "rejected", "votes_reject": 1, "reviewers": ["ana"]}


def test_a_version_differs_in_nothing_from_itself(dataset: Dataset) -> None:
    found = diff(dataset.open(1), dataset.open(1))
    assert kinds(dataset, found) == {"added": [], "removed": [], "redecided": [], "new": []}
    assert (found.unchanged, found.both) == (6, 0)


@pytest.mark.parametrize("backwards", [False, True], ids=["in place", "in another order"])
def test_each_row_is_told_by_what_became_of_it(dataset: Dataset, backwards: bool) -> None:
    changes = {"1": ACCEPTED, "2": dataset.new_mask(30), "3": REJECTED | dataset.new_mask(31)}
    dataset.edit(changes, remove=("0",), backwards=backwards)
    dataset.add(range(6, 8))
    found = diff(dataset.open(1), dataset.open(3))
    assert kinds(dataset, found) == {
        "added": ["6", "7"],
        "removed": ["0"],
        "redecided": ["1", "3"],
        "new": ["2", "3"],
    }
    assert (found.unchanged, found.both) == (2, 1)


def test_a_change_names_what_was_and_what_is(dataset: Dataset) -> None:
    was = dataset.open(1).read(["source_uri", "mask_sha256"]).to_pylist()[3]["mask_sha256"]
    new = dataset.new_mask(31)
    dataset.edit({"3": REJECTED | new})
    [row] = diff(dataset.open(1), dataset.open(2)).relabelled.to_pylist()
    assert row.pop("sample_id") == dataset.open(1).read(["sample_id"]).to_pylist()[3]["sample_id"]
    assert row == {
        "source": "web",
        "old_status": "pending",
        "status": "rejected",
        "old_mask_sha256": was,
        "mask_sha256": new["mask_sha256"],
    }


def test_backwards_the_added_are_the_removed(dataset: Dataset) -> None:
    dataset.edit({}, remove=("0", "4"))
    assert kinds(dataset, diff(dataset.open(2), dataset.open(1)))["added"] == ["0", "4"]
    assert kinds(dataset, diff(dataset.open(1), dataset.open(2)))["removed"] == ["0", "4"]


def test_other_columns_are_no_change(dataset: Dataset) -> None:
    dataset.edit({"0": {"doubt": 0.5, "votes_accept": 1}})
    assert diff(dataset.open(1), dataset.open(2)).unchanged == 6


def test_totals_count_by_source_and_status_before_and_after(dataset: Dataset) -> None:
    dataset.edit({"1": ACCEPTED, "3": ACCEPTED, "5": ACCEPTED}, remove=("0",))
    rows = [tuple(row.values()) for row in diff(dataset.open(1), dataset.open(2)).totals.to_pylist()]
    assert rows == [("studio", "pending", 3, 2), ("web", "accepted", 0, 3), ("web", "pending", 3, 0)]


def test_a_version_without_rows_can_be_compared(dataset: Dataset) -> None:
    dataset.edit({}, remove=tuple("012345"))
    emptied, refilled = diff(dataset.open(1), dataset.open(2)), diff(dataset.open(2), dataset.open(1))
    assert (emptied.removed.num_rows, refilled.added.num_rows) == (6, 6)
    assert "6 -> 0 rows" in str(emptied)
    assert "0 -> 0 rows" in str(diff(dataset.open(2), dataset.open(2)))


def test_the_text_has_a_table_of_each_kind_that_occurs(dataset: Dataset) -> None:
    dataset.edit({"1": ACCEPTED, "2": REJECTED | dataset.new_mask(30)})
    text = str(diff(dataset.open(1), dataset.open(2)))
    assert "v2.parquet: 6 -> 6 rows\n0 added, 0 removed, 2 re-decided, 1 re-labelled (1 of them both), 4 un" in text
    tables = {part.splitlines()[0]: [line.split() for line in part.splitlines()[1:]] for part in text.split("\n\n")[1:]}
    assert tables == {
        "rows by source and status": [
            ["source", "status", "before", "after", "change"],
            ["studio", "pending", "3", "2", "-1"],
            ["studio", "rejected", "0", "1", "1"],
            ["web", "accepted", "0", "1", "1"],
            ["web", "pending", "3", "2", "-1"],
        ],
        "rows re-decided": [
            ["source", "old_status", "status", "rows"],
            ["studio", "pending", "rejected", "1"],
            ["web", "pending", "accepted", "1"],
        ],
        "rows re-labelled": [
            ["source", "old_status", "status", "rows"],
            ["studio", "pending", "rejected", "1"],
        ],
    }


def test_the_sheet_has_the_old_mask_to_the_left_of_the_new_one(dataset: Dataset) -> None:
    dataset.edit({"2": dataset.new_mask(50)})  # smaller: rows 20 to 49 are person no more
    old, new = dataset.open(1), dataset.open(2)
    sheet = draw_changes(diff(old, new), old, new, limit=10)
    assert sheet.shape == (230 + 6, 2 * 230 + 6, 3)
    left, right = sheet[6:230, 6:230], sheet[6:230, 236:460]
    band = slice(int(224 * 30 / 64), int(224 * 40 / 64)), slice(40, 100)
    assert left[band].mean() > 2 * right[band].mean()  # there the background of the new mask is dimmed


def test_the_sheet_spreads_its_samples_over_all_that_changed_and_draws_an_unchanged_mask_once(dataset: Dataset) -> None:
    dataset.edit({str(number): ACCEPTED for number in range(6)})
    old, new = dataset.open(1), dataset.open(2)
    assert draw_changes(diff(old, new), old, new, limit=3).shape[1] == 3 * 230 + 6
    assert draw_changes(diff(old, new), old, new, limit=6).shape[1] == 6 * 230 + 6


def test_the_sheet_draws_two_masks_of_a_relabelled_sample_and_one_of_a_decided_one(dataset: Dataset) -> None:
    dataset.edit({"1": ACCEPTED, "2": dataset.new_mask(50)})
    old, new = dataset.open(1), dataset.open(2)
    assert draw_changes(diff(old, new), old, new, limit=2).shape[:2] == (230 + 6, 3 * 230 + 6)


def test_without_changes_there_is_nothing_to_draw(dataset: Dataset) -> None:
    dataset.add(range(6, 7))
    old, new = dataset.open(1), dataset.open(2)
    with pytest.raises(UserError, match=r"expected samples whose mask or status differs between .* found none"):
        draw_changes(diff(old, new), old, new, limit=3)


def test_the_command_prints_tables_and_the_path_of_the_sheet(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset.edit({"2": dataset.new_mask(50)})
    monkeypatch.chdir(dataset.root)
    main(["diff", "v1", "2"])
    assert "1 re-labelled" in capsys.readouterr().out
    main(["diff", "manifests/v1.parquet", "v2", "--sheet", "sheets/changes.png"])
    assert capsys.readouterr().out.splitlines()[-1] == "sheets/changes.png"
    with Image.open("sheets/changes.png") as sheet:
        assert sheet.size == (2 * 230 + 6, 230 + 6)
    with pytest.raises(UserError, match=r"expected an image's name such as sheet.png, found x.nonsense"):
        main(["diff", "1", "2", "--sheet", "x.nonsense"])
    with pytest.raises(UserError, match="found no file; manifests holds v1, v2"):
        main(["diff", "1", "9"])


def test_wrong_arguments_exit_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", sys.stdout)
    with pytest.raises(SystemExit, match="2"):
        main(["diff", "v1"])
