"""`gc`: what nothing names is found and, when asked, deleted; everything else stays."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hostile_files import write_foreign_name
from joined_rows import join_dataset
from small_lineages import mask, picture

from manifests.__main__ import main
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box
from manifests.samples.sample import Row, Source, store_sample
from manifests.store.manifest import ManifestStore
from manifests.store.schema import SCHEMA
from manifests.upkeep.garbage import MIN_AGE_SECONDS, Garbage, delete_garbage, find_garbage

NOW = 1_800_000_000.0
DAY = 86_400.0


def stored(blobs: BlobStore, seed: int) -> Row:
    """The row of a new sample; its two blobs are a day old."""
    row = store_sample(
        blobs,
        picture(seed),
        mask(130 + seed),
        source=Source("web", f"/{seed}.jpg", f"{seed:064x}"),
        roi=Box(0, 0, 48, 64),
        origin="teacher",
        teacher="toy@0123456789ab",
    )
    for kind in ("image", "mask"):
        age(blobs.root / row[kind], DAY)
    return row


def age(path: Path, seconds: float) -> None:
    os.utime(path, (NOW - seconds, NOW - seconds))


def blobs_of(*rows: Row) -> set[str]:
    return {row[kind] for row in rows for kind in ("image", "mask")}


class Dataset:
    """Two samples, in v1; v2 lacks the second one."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.manifests = root / "manifests"
        self.blobs = BlobStore(self.data)
        self.store = ManifestStore(self.manifests)

    def fill(self) -> None:
        self.commit(stored(self.blobs, 1), stored(self.blobs, 2))
        table = self.store.open().read().slice(0, 1)
        self.store.commit(table, parent=1, operation="edit", parameters={}, data_root=self.data)

    @property
    def first(self) -> Row:
        return dict(self.store.open(1).read().to_pylist()[0])

    @property
    def second(self) -> Row:
        return dict(self.store.open(1).read().to_pylist()[1])

    def commit(self, *rows: Row) -> None:
        self.store.update(
            lambda table, version: join_dataset(rows, table, version=version),
            operation="generate",
            parameters={},
            data_root=self.data,
        )

    def find(self, *, log: DecisionLog | None = None, now: float = NOW) -> Garbage:
        return find_garbage(self.manifests, self.data, log=log, now=now)

    def deletable(self, *, log: DecisionLog | None = None) -> set[str]:
        return {orphan.path.relative_to(self.data).as_posix() for orphan in self.find(log=log).deletable}

    def files(self) -> set[str]:
        return {path.relative_to(self.data).as_posix() for path in self.data.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collected")
    Dataset(root).fill()
    return root


@pytest.fixture
def dataset(original: Path, tmp_path: Path) -> Dataset:
    return Dataset(Path(shutil.copytree(original, tmp_path / "set")))


def test_what_any_version_names_is_no_garbage(dataset: Dataset) -> None:
    found = dataset.find()
    assert (found.blobs, found.deletable, found.young) == (4, (), ())


def test_what_no_version_names_is_garbage_with_its_bytes(dataset: Dataset) -> None:
    lost = stored(dataset.blobs, 3)
    found = dataset.find()
    assert dataset.deletable() == blobs_of(lost)
    assert [orphan.size_bytes for orphan in found.deletable] == [o.path.stat().st_size for o in found.deletable]
    assert str(found).startswith("2 blobs (")


def test_deleting_takes_the_garbage_and_nothing_else(dataset: Dataset) -> None:
    before = dataset.files()
    lost = stored(dataset.blobs, 3)
    deleted = delete_garbage(dataset.find(), dataset.data)
    assert {orphan.path.name for orphan in deleted} == {Path(path).name for path in blobs_of(lost)}
    assert dataset.files() == before


def test_a_version_that_is_gone_from_the_head_still_keeps_its_blobs(dataset: Dataset) -> None:
    delete_garbage(dataset.find(), dataset.data)
    assert blobs_of(dataset.second) <= dataset.files()


def test_a_selection_keeps_what_it_names(dataset: Dataset) -> None:
    line = dataset.manifests / "selections/clean"
    line.mkdir(parents=True)
    (dataset.manifests / "v1.parquet").rename(line / "v1.parquet")
    assert dataset.deletable() == set()


@pytest.mark.parametrize("columns", [["image_sha256", "mask_sha256"], ["mask_sha256"]], ids=["labelled", "relabelled"])
def test_a_finished_shard_that_is_not_committed_keeps_its_blobs(dataset: Dataset, columns: list[str]) -> None:
    lost = stored(dataset.blobs, 3)
    shard = dataset.data / "shards/0123456789abcdef"
    shard.mkdir(parents=True)
    table = pa.Table.from_pylist([lost], schema=pa.schema([SCHEMA.field(name) for name in columns]))
    pq.write_table(table, shard / "rows.parquet")
    pq.write_table(pa.table({"source_uri": ["/x.jpg"]}), shard / "quarantine.parquet")
    (shard / ".tmp-1-rows.parquet").write_bytes(b"half a fi")
    assert dataset.deletable() == ({lost["image"]} if columns == ["mask_sha256"] else set())


def test_masks_that_only_the_decision_log_names_stay(dataset: Dataset) -> None:
    judged, gold, lost = (stored(dataset.blobs, seed) for seed in (3, 4, 5))
    log = DecisionLog(sqlite_url(dataset.data))
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    log.append([Decision("d1", judged["sample_id"], judged["mask_sha256"], "reject", "ana", noon)])
    with log.writing() as connection:
        connection.execute(sa.text("CREATE TABLE gold_samples (mask_sha256 TEXT, image_sha256 TEXT)"))
        values = {"mask": gold["mask_sha256"], "image": gold["image_sha256"]}
        connection.execute(sa.text("INSERT INTO gold_samples VALUES (:mask, :image)"), values)
    assert dataset.deletable(log=log) == {judged["image"], *blobs_of(lost)}
    log.close()


def test_temporary_files_of_killed_writers_go_once_they_are_old(dataset: Dataset) -> None:
    (dataset.data / "shards").mkdir(exist_ok=True)
    blob = dataset.data / dataset.first["image"]
    left = [
        dataset.manifests / ".tmp-1.parquet",
        blob.parent / ".tmp-2.jpg",
        dataset.data / "shards" / ".tmp-3.parquet",
    ]
    young = dataset.manifests / ".tmp-4.parquet"
    for path in (*left, young):
        path.write_bytes(b"part")
    for path in left:
        age(path, DAY)
    age(young, 60)
    found = find_garbage(dataset.manifests, dataset.data, log=None, now=NOW)
    assert {orphan.path for orphan in found.leftovers} == set(left)
    assert str(found).endswith("; 3 temporary files (12 bytes) left")
    delete_garbage(found, dataset.data)
    assert [path.exists() for path in (*left, young)] == [False, False, False, True]
    assert blob.exists()


def test_what_is_no_blob_stays(dataset: Dataset) -> None:
    digest = "ab" * 32
    others = [
        "cache/thing.npy",
        f"cache/ab/{digest}.jpg",
        "quarantine/x.csv",
        "reports/y.jpg",
        "blobs/readme.txt",
        "blobs/ab/notes.png",
        f"blobs/ab/{digest}.txt",
        f"blobs/ab/{digest.upper()}.png",
        f"blobs/00/{digest}.png",
        f"blobs/ab/deep/{digest}.png",
        f"{digest}.png",
    ]
    for name in others:
        path = dataset.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        age(path, DAY)
    before = dataset.files()
    assert dataset.deletable() == set()
    delete_garbage(dataset.find(), dataset.data)
    assert dataset.files() == before


def test_a_blob_younger_than_an_hour_stays(dataset: Dataset) -> None:
    lost = stored(dataset.blobs, 3)
    age(dataset.data / lost["image"], MIN_AGE_SECONDS - 1)
    age(dataset.data / lost["mask"], 3 * MIN_AGE_SECONDS)
    found = dataset.find()
    assert [orphan.path.name for orphan in found.young] == [Path(lost["image"]).name]
    assert dataset.deletable() == {lost["mask"]}
    assert "1 blob (" in str(found).partition(";")[2]


def test_what_a_long_import_wrote_hours_ago_stays_while_it_goes_on(dataset: Dataset) -> None:
    rows = [stored(dataset.blobs, seed) for seed in range(3, 6)]
    for hours, path in enumerate(sorted(blobs_of(*rows))):
        age(dataset.data / path, 60 + hours * (MIN_AGE_SECONDS - 60))
    assert (len(dataset.find().young), dataset.deletable()) == (6, set())
    assert len(dataset.find(now=NOW + MIN_AGE_SECONDS).deletable) == 6  # it has ended


def test_a_blob_that_is_written_again_before_it_is_deleted_stays(dataset: Dataset) -> None:
    lost = stored(dataset.blobs, 3)
    found = dataset.find()
    age(dataset.data / lost["mask"], 0)
    (dataset.data / lost["image"]).unlink()  # another gc was there
    assert delete_garbage(found, dataset.data) == []
    assert lost["mask"] in dataset.files()


def test_an_image_and_a_mask_of_one_digest_are_both_kept(dataset: Dataset) -> None:
    twin = (dataset.data / dataset.first["mask"]).with_suffix(".jpg")
    twin.write_bytes((dataset.data / dataset.first["mask"]).read_bytes())
    age(twin, DAY)
    assert dataset.deletable() == set()


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_a_damaged_version_stops_everything(dataset: Dataset) -> None:
    halve(dataset.manifests / "v1.parquet")
    with pytest.raises(UserError, match=r"expected a sound Parquet file at .*v1.parquet, found damage"):
        dataset.find()


def test_a_version_whose_digests_are_of_another_type_stops_everything(dataset: Dataset) -> None:
    path = dataset.manifests / "v1.parquet"
    table = pq.read_table(path)
    digests = pa.array([["a"]] * table.num_rows)
    pq.write_table(table.set_column(table.column_names.index("mask_sha256"), "mask_sha256", digests), path)
    with pytest.raises(UserError, match=r"expected a sound Parquet file at .*v1.parquet, found damage"):
        dataset.find()


def test_a_version_whose_columns_name_is_not_utf8_stops_everything(dataset: Dataset) -> None:
    path = dataset.manifests / "v1.parquet"
    write_foreign_name(pq.read_table(path), path)
    with pytest.raises(UserError, match=r"expected a sound Parquet file at .*v1.parquet, found damage"):
        dataset.find()


def test_a_pipe_named_like_a_version_stops_everything(dataset: Dataset) -> None:
    os.mkfifo(dataset.manifests / "v9.parquet")
    with pytest.raises(UserError, match=r"expected a sound Parquet file at .*v9.parquet, found damage"):
        dataset.find()


def test_a_damaged_shard_stops_everything(dataset: Dataset) -> None:
    stored(dataset.blobs, 3)
    shard = dataset.data / "shards/0123456789abcdef/rows.parquet"
    shard.parent.mkdir(parents=True)
    shard.write_bytes(b"PAR1 no more")
    with pytest.raises(UserError, match=r"expected a sound Parquet file at .*rows.parquet, found damage"):
        dataset.find()


def test_without_versions_nothing_is_garbage(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected versions in .*nowhere, found none; pass the right --manifests"):
        find_garbage(tmp_path / "nowhere", dataset.data, log=None, now=NOW)


def test_the_blobs_of_another_dataset_are_not_garbage(dataset: Dataset, tmp_path: Path) -> None:
    other = BlobStore(tmp_path / "other")
    stored(other, 7)
    with pytest.raises(UserError, match=r"found 2 blob\(s\) and none that they name; pass the --data"):
        find_garbage(dataset.manifests, other.root, log=None, now=NOW)


# The command; its clock is the real one

Command = Callable[..., list[str]]


@pytest.fixture
def gc(dataset: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(dataset.manifests.parent)

    def gc(*arguments: str) -> list[str]:
        for path in dataset.data.rglob("blobs/*/*"):
            os.utime(path, (time.time() - DAY, time.time() - DAY))
        main(["gc", *arguments])
        return capsys.readouterr().out.splitlines()

    return gc


def test_a_dry_run_tells_count_and_bytes_and_deletes_nothing(dataset: Dataset, gc: Command) -> None:
    lost = stored(dataset.blobs, 3)
    size = sum((dataset.data / path).stat().st_size for path in blobs_of(lost))
    before = dataset.files()
    assert gc() == [
        f"data: 2 blobs ({size:,} bytes) of 6 named by nothing",
        "nothing was deleted; --delete deletes them",
    ]
    assert dataset.files() == before


def test_delete_deletes_and_a_second_time_finds_nothing(dataset: Dataset, gc: Command) -> None:
    before = dataset.files()
    lost = stored(dataset.blobs, 3)
    size = sum((dataset.data / path).stat().st_size for path in blobs_of(lost))
    assert gc("--delete")[-1] == f"deleted 2 files ({size:,} bytes)"
    assert dataset.files() == before
    assert gc() == ["data: 0 blobs (0 bytes) of 4 named by nothing"]
    main(["verify", "v1"])


def test_the_log_beside_the_blobs_is_asked(dataset: Dataset, gc: Command) -> None:
    lost = stored(dataset.blobs, 3)
    log = DecisionLog(sqlite_url(dataset.data))
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    log.append([Decision("d1", lost["sample_id"], lost["mask_sha256"], "reject", "ana", noon)])
    log.close()
    gc("--delete")
    assert lost["mask"] in dataset.files()
    assert lost["image"] not in dataset.files()


def test_reviews_without_their_log_are_not_cleaned_up_after(dataset: Dataset, gc: Command) -> None:
    table = dataset.store.open().read()
    dataset.store.commit(table, parent=2, operation="review", parameters={}, data_root=dataset.data)
    lost = stored(dataset.blobs, 3)
    with pytest.raises(UserError, match=r"expected the decision log sqlite.*found none.*pass --database-url"):
        gc("--delete")
    with pytest.raises(UserError, match=r"expected a decision log at sqlite:///typo.sqlite3, found no file"):
        gc("--delete", "--database-url", "sqlite:///typo.sqlite3")
    assert blobs_of(lost) <= dataset.files()
    DecisionLog("sqlite:///elsewhere.sqlite3").close()
    assert gc("--delete", "--database-url", "sqlite:///elsewhere.sqlite3")[-1].startswith("deleted 2 files")


def test_a_dry_run_makes_no_decision_log(dataset: Dataset, gc: Command) -> None:
    gc()
    assert not (dataset.data / "decisions.sqlite3").exists()


def test_a_clock_ahead_of_the_storage_deletes_no_young_blob(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    young = dataset.blobs.put(b"of an import under way", ".png")
    monkeypatch.setattr(time, "time", lambda: NOW * 2)
    main(["gc", "--delete", "--manifests", str(dataset.manifests)])
    assert (dataset.data / young.path).is_file()


def test_a_file_system_without_locks_refuses_to_delete(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = stored(dataset.blobs, 3)

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert dataset.blobs.put(b"stored all the same", ".png")
    with pytest.raises(UserError, match="locks"):
        delete_garbage(dataset.find(), dataset.data)
    assert blobs_of(lost) <= dataset.files()
