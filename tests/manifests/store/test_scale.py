"""Datasets too large for memory: the parts they are read, checked and written in are never seen in the result."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from joined_rows import join_dataset

from manifests.bench import measure
from manifests.bench.rows import made_up_parts
from manifests.errors import UserError
from manifests.samples.duplicates import MAX_HAMMING_DISTANCE
from manifests.samples.near_duplicates import Relatives
from manifests.samples.sample import JOINED_COLUMNS, add_rows
from manifests.store import row_groups, schema
from manifests.store.hexdigits import ascending, digits_of, id_numbers
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import RowPatch, changed, in_parts
from manifests.store.schema import SCHEMA
from manifests.store.training_rows import AcceptedRow, accepted_rows
from manifests.store.validation import ManifestInvalid, validate

ROWS = 500
PART_ROWS = 64  # so that 500 rows are many parts


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "PART_ROWS", PART_ROWS)
    monkeypatch.setattr(row_groups, "PART_ROWS", PART_ROWS)


def rows(count: int = ROWS, *, seed: int = 1) -> pa.Table:
    return pa.concat_tables(made_up_parts(count, seed=seed))


def with_cells(table: pa.Table, column: str, cells: dict[int, Any]) -> pa.Table:
    values = table[column].to_pylist()
    for row, value in cells.items():
        values[row] = value
    place = SCHEMA.get_field_index(column)
    return table.set_column(place, SCHEMA.field(place), pa.array(values, SCHEMA.field(place).type))


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return ManifestStore(tmp_path / "manifests").commit(
        rows(), parent=None, operation="x", parameters={}, data_root=tmp_path / "data"
    )


# Parts


@pytest.mark.parametrize("sizes", [[500], [1] * 130, [63, 2, 0, 200], [], [0]])
def test_rows_are_dealt_out_in_parts_of_one_size_and_none_is_lost(sizes: list[int]) -> None:
    whole = rows(sum(sizes)) if sum(sizes) else SCHEMA.empty_table()
    starts = np.cumsum([0, *sizes])
    parts = list(in_parts((whole.slice(start, size) for start, size in zip(starts, sizes, strict=False)), PART_ROWS))
    assert [part.num_rows for part in parts[:-1]] == [PART_ROWS] * (len(parts) - 1)
    assert pa.concat_tables([SCHEMA.empty_table(), *parts]).equals(whole)


def test_a_version_is_written_in_row_groups_and_read_as_one(manifest: Manifest) -> None:
    assert pq.ParquetFile(manifest.path).num_row_groups == -(-ROWS // PART_ROWS)
    assert manifest.read().equals(rows())
    assert pa.concat_tables(manifest.parts()).equals(rows())
    assert manifest.counts["rows"] == ROWS


def test_rows_are_taken_by_number(manifest: Manifest) -> None:
    places = np.array([0, 63, 64, 300, 499])
    assert manifest.take(places, ["sample_id", "reviewers"]).equals(
        rows().select(["sample_id", "reviewers"]).take(pa.array(places))
    )
    assert manifest.take(np.empty(0, int)).equals(SCHEMA.empty_table())


@pytest.mark.parametrize("only", [{"status": "accepted"}, {"status": "accepted", "split": "val"}, {"source": "none"}])
def test_only_the_rows_asked_for_are_read(manifest: Manifest, only: dict[str, str]) -> None:
    expected = rows()
    for name, value in only.items():
        expected = expected.filter(pc.equal(expected[name], value))
    assert manifest.read(only=only).equals(expected)


def test_row_groups_whose_statistics_rule_a_value_out_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = ManifestStore(tmp_path).commit(
        rows().sort_by("source"), parent=None, operation="x", parameters={}, data_root=tmp_path
    )
    read: list[int] = []
    read_row_group = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda self, group, *more: (read.append(group), read_row_group(self, group, *more))[1],
    )
    assert manifest.read(["sample_id"], only={"source": "film"}).num_rows > 0
    assert set(read) == {0, 1}  # "film" is the first of five sources


# RowPatch


def test_changed_cells_and_added_rows_are_all_that_differs(tmp_path: Path, manifest: Manifest) -> None:
    places = np.array([0, 63, 64, 65, 499])
    values = {"status": ["rejected"] * 5, "reviewers": [["zoe"], [], ["ann", "bob"], ["c"], []]}
    fields = [SCHEMA.field(name) for name in values]
    cells = pa.table(
        [pa.array(column, field.type) for column, field in zip(values.values(), fields, strict=True)], pa.schema(fields)
    )
    made = RowPatch(added=rows(100, seed=2), places=places, cells=cells)
    expected = rows()
    for name, column in values.items():
        expected = with_cells(expected, name, dict(zip(places.tolist(), column, strict=True)))
    expected = pa.concat_tables([expected, rows(100, seed=2)])
    assert pa.concat_tables(changed(manifest.parts(), made)).equals(expected)


def test_an_amended_version_is_the_one_that_a_whole_table_would_make(manifest: Manifest) -> None:
    store = ManifestStore(manifest.path.parent)
    new = rows(40, seed=3).to_pylist()
    new[5] |= {"phash": rows()["phash"][7].as_py()}  # looks like an old one
    new[6] |= {"source_sha256": rows()["source_sha256"][9].as_py()}  # is of an old one's source
    new[7] = rows().slice(11, 1).to_pylist()[0]  # is an old one
    made = store.amend(
        lambda base, version: add_rows(new, base.parts(JOINED_COLUMNS), version=version).patch,
        operation="import",
        parameters={},
        data_root=manifest.data_root,
    )
    table = made.read()
    assert table.equals(join_dataset(new, rows(), version=2))
    assert table.num_rows == ROWS + 39
    assert table["group_id"][ROWS + 5].as_py() == rows()["group_id"][7].as_py()
    assert table["group_id"][ROWS + 6].as_py() == rows()["group_id"][9].as_py()


# Rules that look at all rows


@pytest.mark.parametrize(("first", "second"), [(3, 5), (3, 400)])
def test_an_id_that_occurs_in_two_parts_is_found(first: int, second: int) -> None:
    table = rows()
    sample_id = table["sample_id"][first].as_py()
    with pytest.raises(ManifestInvalid) as caught:
        validate(with_cells(table, "sample_id", {second: sample_id}))
    named = f"row {first} ({sample_id}), row {second} ({sample_id})"
    assert caught.value.violations == [f"sample_id occurs twice in 2 row(s): {named}"]


def test_ids_that_agree_in_their_upper_half_are_two() -> None:
    sample_id = rows()["sample_id"][3].as_py()
    validate(with_cells(rows(), "sample_id", {400: sample_id[:16] + "0" * 16}))


def test_a_group_in_two_splits_of_two_parts_is_found() -> None:
    group = "00" + "f" * 30  # of the split test
    table = with_cells(with_cells(rows(), "group_id", {3: group, 400: group}), "split", {3: "test", 400: "train"})
    with pytest.raises(ManifestInvalid) as caught:
        validate(table)
    assert caught.value.violations == [f"near-duplicate groups lie in several splits: {group}"]


def test_rows_are_numbered_through_all_parts() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        validate(with_cells(rows(), "doubt", {400: 2.0, 450: 3.0}))
    (violation,) = caught.value.violations
    assert violation.startswith("column doubt is outside 0..1 in 2 row(s): row 400 (")


# Ids as numbers, and near-duplicates


def test_digits_are_those_of_whole_columns_alone() -> None:
    two = pa.chunked_array([["0" * 16], ["abcdef0123456789"]])
    assert digits_of(two, 16) == b"0" * 16 + b"abcdef0123456789"
    assert digits_of(two.slice(1), 16) == b"abcdef0123456789"
    for bad in (["A" * 16], ["0" * 15], [None], ["0" * 15 + "g"]):
        assert digits_of(pa.chunked_array([["0" * 16], pa.array(bad, pa.string())]), 16) is None


def test_ids_are_ordered_as_their_texts_are_also_where_half_of_them_is_equal() -> None:
    ids = [*rows()["sample_id"].to_pylist(), *(f"{7:016x}{number:016x}" for number in (5, 3, 2**63, 4))]
    numbers = id_numbers(pa.chunked_array([ids]))
    assert numbers is not None
    assert [ids[place] for place in ascending(numbers)] == sorted(ids)
    assert ascending(numbers[:0]).tolist() == []


def test_relatives_are_exactly_the_rows_near_a_new_one_or_of_its_source() -> None:
    rng = np.random.default_rng(4)
    new = rng.integers(0, 2**64, 30, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in rng.permutation(64)[:count]) for count in rng.integers(0, 12, 2000)]
    known = new[rng.integers(0, 30, 2000)] ^ np.array(flips, np.uint64)
    near = np.bitwise_count(known[:, None] ^ new).min(axis=1) <= MAX_HAMMING_DISTANCE
    part = pa.table(
        {
            "group_id": [f"{number:032x}" for number in range(2000)],
            "phash": [f"{int(value):016x}" for value in known],
            "source_sha256": [f"{number:064x}" for number in range(2000)],
        }
    )
    relatives = Relatives(new, [f"{1999:064x}"], new[:0])
    relatives.look_at(part)
    found = relatives.found()["group_id"].to_pylist()
    expected = set(np.flatnonzero(near).tolist()) | {1999}
    assert {int(group, 16) for group in found} == expected
    assert 0 < near.sum() < 2000


# Accepted rows


def test_hashes_that_somebody_wrote_by_hand_are_one_clear_line() -> None:
    part = with_cells(rows(), "phash", {3: "no hash"})
    relatives = Relatives(np.arange(ROWS + 1, dtype=np.uint64), [], np.empty(0, np.uint64))
    relatives.look_at(part)
    with pytest.raises(UserError, match="expected perceptual hashes of 16 hex digits in the latest version"):
        relatives.found()


def test_accepted_rows_are_a_sequence_in_the_order_of_their_ids(manifest: Manifest) -> None:
    expected = sorted(
        (row for row in rows().to_pylist() if row["status"] == "accepted" and row["split"] == "train"),
        key=lambda row: row["sample_id"],
    )
    objects = [AcceptedRow(**{name: row[name] for name in AcceptedRow.__slots__}) for row in expected]
    found = accepted_rows(manifest, "train")
    assert list(found) == objects
    assert found == objects
    assert found[3] == objects[3]
    assert found[-1] == objects[-1]
    assert list(found[5:9]) == objects[5:9]
    assert len(found[:10]) == 10


# The bench


def test_the_bench_groups_exports_and_publishes_behind_a_log(tmp_path: Path) -> None:
    measure._make(tmp_path, ROWS)
    for part in ("group", "export", "judge", "more"):
        measure.OPERATIONS[part][1](tmp_path)
    made, judged, more = ManifestStore(tmp_path).history()
    assert (
        judged.parameters["masks_with_verdict"]
        == made.counts["pending"]
        == judged.counts["accepted"] - made.counts["accepted"]
    )
    assert more.parameters["log_seq"] == measure.CHANGED + made.counts["pending"] + measure.MORE


@pytest.mark.slow
def test_the_bench_prints_every_operation_and_its_growth(tmp_path: Path) -> None:
    figures, work = tmp_path / "figures", tmp_path / "work"
    work.mkdir()
    options = ["--rows", "2000", "--directory", work, "--part", "diff", "accepted", "add", "--headline", figures]
    done = subprocess.run(
        [sys.executable, "-m", "manifests.bench", *options], capture_output=True, text=True, check=True
    )
    for line in ("pyarrow copies the rows (baseline)", "publish 10,000 decisions", "diff v1 v2", "add 10,000 rows"):
        assert line in done.stdout
    assert '"publish 10,000 decisions, 2,000 rows"' in figures.read_text()
    assert list(work.iterdir()) == []


def test_the_thread_that_writes_tells_what_went_wrong(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        row_groups.write_rows([rows()], tmp_path / "missing/v1.parquet", {})
