"""`ManifestStore`: immutable versions, exclusive commits, and what a killed or damaged writer leaves behind.

Run as a script, `python test_manifest.py CHILD ARGUMENTS`, this file is the other process of its own tests.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_files import write_foreign_name
from made_rows import commit, rows
from repository import SCRIPT_ENVIRONMENT

from manifests import __version__
from manifests.errors import UserError
from manifests.files import atomic
from manifests.files.atomic import write_exclusive, write_replace
from manifests.store import manifest as store
from manifests.store.file_metadata import METADATA_KEY
from manifests.store.manifest import COMMIT_ATTEMPTS, CommitConflict, Manifest, ManifestStore
from manifests.store.schema import SCHEMA, SCHEMA_VERSION
from manifests.store.validation import ManifestInvalid


@pytest.fixture
def versions(tmp_path: Path) -> ManifestStore:
    """A store that holds v1, of three rows."""
    versions = ManifestStore(tmp_path / "manifests")
    commit(versions, rows(3), None)
    return versions


RACE_ROUNDS = 12


def assert_refused_in_one_line(path: Path, expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        Manifest.open(path).read()
    assert "\n" not in str(caught.value)


# Committing


def test_the_first_commit_makes_version_one(tmp_path: Path) -> None:
    manifest = commit(ManifestStore(tmp_path / "manifests"), rows(2), None)
    assert (manifest.path, manifest.version, manifest.parent) == (tmp_path / "manifests/v1.parquet", 1, None)


def test_what_is_read_is_what_was_committed(versions: ManifestStore) -> None:
    assert versions.open(1).read().equals(rows(3))
    assert versions.open().read(["split", "width"]).column_names == ["split", "width"]


def test_columns_in_another_order_are_stored_in_the_schemas_order(versions: ManifestStore) -> None:
    commit(versions, rows(2).select(SCHEMA.names[::-1]), 1)
    assert versions.open(2).read().equals(rows(2))


def test_an_older_version_is_not_touched_by_a_commit(versions: ManifestStore) -> None:
    before = versions.path(1).read_bytes()
    commit(versions, rows(5), 1)
    assert versions.path(1).read_bytes() == before


def test_a_commit_leaves_the_version_and_nothing_else(versions: ManifestStore) -> None:
    assert [entry.name for entry in versions.root.iterdir()] == ["v1.parquet"]


def test_a_second_commit_on_the_same_parent_conflicts_and_says_what_to_do(versions: ManifestStore) -> None:
    commit(versions, rows(4), 1)
    with pytest.raises(CommitConflict) as caught:
        commit(versions, rows(5), 1)
    assert str(caught.value) == (
        f"expected parent 1 to be the latest version in {versions.root}, found 2; reload and commit again"
    )
    assert versions.open(2).counts["rows"] == 4


def test_a_first_commit_into_a_store_with_versions_conflicts(versions: ManifestStore) -> None:
    with pytest.raises(CommitConflict, match=r"expected parent none to be the latest version .* found 1"):
        commit(versions, rows(1), None)


def test_a_commit_on_a_version_that_is_not_there_conflicts(versions: ManifestStore) -> None:
    with pytest.raises(CommitConflict, match="expected parent 7 to be the latest"):
        commit(versions, rows(1), 7)


def test_a_commit_that_is_overtaken_while_it_writes_conflicts(
    versions: ManifestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store.write_rows

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(store, "write_rows", write)
        commit(versions, rows(9), 1)
        write(*arguments)

    monkeypatch.setattr(store, "write_rows", overtaken)
    with pytest.raises(CommitConflict, match="found 2; reload"):
        commit(versions, rows(4), 1)
    assert versions.open().counts["rows"] == 9
    assert sorted(entry.name for entry in versions.root.iterdir()) == ["v1.parquet", "v2.parquet"]


def test_an_invalid_table_is_not_committed(versions: ManifestStore) -> None:
    with pytest.raises(ManifestInvalid):
        commit(versions, rows(2, split="dev"), 1)
    assert versions.versions() == [1]


def test_a_table_without_rows_can_be_committed(versions: ManifestStore) -> None:
    assert commit(versions, SCHEMA.empty_table(), 1).counts == {"rows": 0}


def test_of_two_processes_on_one_parent_exactly_one_wins(versions: ManifestStore) -> None:
    children = [_child("race", versions.root, name) for name in ("left", "right")]
    outcomes = [child.communicate(timeout=60)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    for round_number, pair in enumerate(zip(*outcomes, strict=True)):
        assert sorted(pair) == ["lost", "won"], f"round {round_number}"
    assert versions.versions() == list(range(1, RACE_ROUNDS + 2))
    for round_number in range(RACE_ROUNDS):  # and what lies there is the winner's, whole
        winner = ("left", "right")[outcomes[1][round_number] == "won"]
        assert versions.open(round_number + 2).parameters == {"writer": winner}


# Metadata and history


def test_the_metadata_is_complete(tmp_path: Path) -> None:
    versions = ManifestStore(tmp_path / "manifests")
    before = datetime.now(UTC).replace(microsecond=0)
    table = pa.concat_tables([rows(2), rows(1, sample_id="f" * 32, status="rejected")])
    manifest = commit(versions, table, None, images="/photos", shard_size=512, teacher=None)
    assert manifest.operation == "generate"
    assert manifest.parameters == {"images": "/photos", "shard_size": 512, "teacher": None}
    assert manifest.counts == {"rows": 3, "pending": 2, "rejected": 1}
    assert before <= manifest.created_at <= datetime.now(UTC)
    assert manifest.created_at.tzinfo is not None
    assert manifest.code_version == __version__
    assert manifest.data_root == tmp_path / "data"
    stored = json.loads(pq.read_schema(manifest.path).metadata[METADATA_KEY])
    assert set(stored) == {
        "version", "parent", "schema_version", "operation", "parameters", "counts", "created_at", "code_version",
        "data_root",
    }  # fmt: skip
    assert (stored["version"], stored["parent"], stored["schema_version"]) == (1, None, SCHEMA_VERSION)


def test_a_dataset_can_be_moved_with_its_data(versions: ManifestStore, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    versions.root.rename(moved / "manifests")
    assert Manifest.open(moved / "manifests/v1.parquet").data_root == moved / "data"


def test_another_data_root_can_be_given(versions: ManifestStore, tmp_path: Path) -> None:
    assert Manifest.open(versions.path(1), data_root=tmp_path / "copy").data_root == tmp_path / "copy"


def test_a_data_root_given_relative_is_found_from_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ManifestStore("manifests").commit(rows(1), parent=None, operation="x", parameters={}, data_root=Path("pixels"))
    monkeypatch.chdir("/")
    assert ManifestStore(tmp_path / "manifests").open().data_root == tmp_path / "pixels"


def test_the_default_data_root_lies_beside_the_manifests() -> None:
    assert ManifestStore("/set/manifests").data_root() == Path("/set/data")
    assert ManifestStore("manifests-of-nobody").data_root() == Path("data")


def test_history_is_every_version_oldest_first(versions: ManifestStore) -> None:
    for parent in range(1, 11):  # past v9: by number, not by name
        commit(versions, rows(parent), parent)
    assert [manifest.version for manifest in versions.history()] == list(range(1, 12))
    assert [manifest.parent for manifest in versions.history()] == [None, *range(1, 11)]
    assert versions.latest() == 11


def test_a_directory_that_is_not_there_holds_no_version(tmp_path: Path) -> None:
    versions = ManifestStore(tmp_path / "none")
    assert (versions.versions(), versions.latest(), versions.history()) == ([], None, [])
    with pytest.raises(UserError, match=r"found none; make one with python -m pipeline\.generate"):
        versions.open()


def test_other_files_in_the_directory_are_no_versions(versions: ManifestStore) -> None:
    for name in ("v2.parquet.bak", "v02.parquet", "v0.parquet", "xv2.parquet", ".tmp-0-v2.parquet", "__init__.py"):
        (versions.root / name).write_text("something else")
    assert versions.versions() == [1]


def test_a_missing_version_names_those_that_are_there(versions: ManifestStore) -> None:
    commit(versions, rows(1), 1)
    with pytest.raises(UserError, match=r"found no file; .* holds v1, v2$"):
        versions.open(9)


def test_the_digest_is_that_of_the_files_bytes(versions: ManifestStore) -> None:
    before = versions.open(1).digest
    commit(versions, rows(1), 1)
    assert re.fullmatch("[0-9a-f]{64}", before)
    assert versions.open(1).digest == before != versions.open(2).digest


# Files that are no sound manifest


def test_a_newer_schema_is_refused_in_one_line(versions: ManifestStore) -> None:
    table = pq.read_table(versions.path(1))
    stored = json.loads(table.schema.metadata[METADATA_KEY]) | {"schema_version": SCHEMA_VERSION + 1}
    newer = versions.root / "v2.parquet"
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(stored).encode()}), newer)
    assert_refused_in_one_line(newer, r"expected schema version 5 or older .* found 6; update this program")


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": "5"},
        {"version": 1.5},
        {"parent": []},
        {"parameters": None},
        {"counts": {}},
        {"counts": {"rows": "3"}},
        {"created_at": "yesterday"},
        {"created_at": "2026-03-01T12:00:00"},  # without a time zone
        {"data_root": None},
        {"data_root": "http://example.org/data"},
        {"data_root": "simplecache::http://example.org/data"},
        {"data_root": "a\0b"},
    ],
)
def test_metadata_that_no_release_writes_is_refused_by_name(
    versions: ManifestStore, changes: dict[str, object]
) -> None:
    table = pq.read_table(versions.path(1))
    stored = json.loads(table.schema.metadata[METADATA_KEY]) | changes
    odd = versions.root / "v2.parquet"
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(stored).encode()}), odd)
    assert_refused_in_one_line(odd, f"expected a version's metadata in .* found an unusable {next(iter(changes))}")


@pytest.mark.parametrize("name", ["a::b", "\udcff", "http:"])
def test_odd_names_of_a_data_root_are_read_as_they_were_written(tmp_path: Path, name: str) -> None:
    versions = ManifestStore(tmp_path / "manifests")
    made = versions.commit(rows(1), parent=None, operation="import", parameters={}, data_root=tmp_path / name)
    assert made.data_root == tmp_path / name


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, '"\\ud800"'])
def test_metadata_that_is_no_object_is_refused(versions: ManifestStore, text: str) -> None:
    odd = versions.root / "v2.parquet"
    pq.write_table(pq.read_table(versions.path(1)).replace_schema_metadata({METADATA_KEY: text.encode()}), odd)
    assert_refused_in_one_line(odd, "expected a version's metadata in .*v2.parquet, found")


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("width", pa.array(["a", "b", "c"]), "width of the type string"),
        ("mask", pa.nulls(3, pa.string()), "mask with nulls"),
        ("sample_id", pa.array([["a"], [], []]), r"sample_id of the type list<\w+: string>"),
    ],
)
def test_columns_of_another_type_are_refused_by_name(
    versions: ManifestStore, column: str, values: pa.Array, found: str
) -> None:
    table = pq.read_table(versions.path(1))
    pq.write_table(table.set_column(table.column_names.index(column), column, values), versions.root / "v2.parquet")
    with pytest.raises(UserError, match=f"expected the columns of a manifest in .*v2.parquet, found {found}"):
        versions.open(2).read()


def test_a_columns_name_that_is_not_utf8_is_refused_in_one_line(versions: ManifestStore) -> None:
    odd = versions.root / "v2.parquet"
    write_foreign_name(pq.read_table(versions.path(1)), odd)
    assert_refused_in_one_line(odd, r"expected a Parquet file at .*v2.parquet, found a damaged or other file")


def test_a_version_of_an_older_schema_is_read_as_one_of_this_and_goes_on(tmp_path: Path) -> None:
    versions = ManifestStore(tmp_path / "manifests")
    metadata = json.loads(pq.read_schema(commit(versions, rows(3), None).path).metadata[METADATA_KEY])
    old = rows(3).drop_columns(["disagreement", "holes"])
    versions.path(1).unlink()
    key = {METADATA_KEY: json.dumps(metadata | {"schema_version": 1}).encode()}
    pq.write_table(old.replace_schema_metadata(key), versions.path(1))

    first = versions.open(1)
    assert first.read().equals(rows(3))
    assert first.read(["holes", "sample_id"]).column_names == ["holes", "sample_id"]
    second = commit(versions, first.read(), 1)
    assert (second.schema_version, second.read().num_rows) == (SCHEMA_VERSION, 3)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_version_is_refused_in_one_line(versions: ManifestStore, share: float) -> None:
    whole = versions.path(1).read_bytes()
    versions.path(1).write_bytes(whole[: int(len(whole) * share)])
    assert_refused_in_one_line(versions.path(1), r"expected a Parquet file at .*v1\.parquet, found a damaged")


def test_a_text_file_named_like_a_version_is_refused_in_one_line(versions: ManifestStore) -> None:
    versions.path(1).write_text("sample_id,split\n1,train\n")
    assert_refused_in_one_line(versions.path(1), "expected a Parquet file")


def test_a_foreign_parquet_file_is_refused_in_one_line(versions: ManifestStore) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), versions.path(1))
    assert_refused_in_one_line(versions.path(1), "found a Parquet file of another kind")


def test_a_directory_named_like_a_version_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "v1.parquet").mkdir()
    assert_refused_in_one_line(tmp_path / "v1.parquet", "expected a manifest at")


def test_a_flipped_bit_never_gives_other_rows(tmp_path: Path) -> None:
    versions = ManifestStore(tmp_path / "manifests")
    path = commit(versions, rows(40), None).path
    whole = path.read_bytes()
    pages_end = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")  # what follows is the footer
    chosen = random.Random(1)
    noticed = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[chosen.randrange(4, pages_end)] ^= 1 << chosen.randrange(8)
        path.write_bytes(damaged)
        try:
            assert Manifest.open(path).read().equals(rows(40))
        except UserError:
            noticed += 1
    assert noticed > 75


# Updates


def test_an_update_is_made_again_after_a_conflict(versions: ManifestStore) -> None:
    seen = []

    def change(table: pa.Table | None, version: int) -> pa.Table:
        assert table is not None
        seen.append((table.num_rows, version))
        if len(seen) < 3:
            commit(versions, rows(10 * len(seen)), versions.latest())
        return rows(table.num_rows + 1)

    manifest = versions.update(change, operation="x", parameters={}, data_root=versions.root)
    assert seen == [(3, 2), (10, 3), (20, 4)]
    assert manifest is not None
    assert (manifest.version, manifest.parent, manifest.counts["rows"]) == (4, 3, 21)


def test_an_update_gives_up_after_its_attempts(versions: ManifestStore) -> None:
    attempts = 0

    def change(_table: pa.Table | None, _version: int) -> pa.Table:
        nonlocal attempts
        attempts += 1
        commit(versions, rows(2), versions.latest())
        return rows(1)

    with pytest.raises(CommitConflict):
        versions.update(change, operation="x", parameters={}, data_root=versions.root)
    assert attempts == COMMIT_ATTEMPTS


def test_an_update_that_changes_nothing_makes_no_version(versions: ManifestStore) -> None:
    assert versions.update(lambda *_: None, operation="x", parameters={}, data_root=versions.root) is None
    assert versions.versions() == [1]


def test_an_update_of_an_empty_store_makes_version_one(tmp_path: Path) -> None:
    def change(table: pa.Table | None, version: int) -> pa.Table:
        assert (table, version) == (None, 1)
        return rows(1)

    manifest = ManifestStore(tmp_path).update(change, operation="x", parameters={}, data_root=tmp_path)
    assert manifest is not None
    assert manifest.version == 1


# Killed writers


@pytest.mark.parametrize("moment", ["nothing written", "half written", "all written", "about to link", "linked"])
def test_a_killed_commit_leaves_whole_versions_only(versions: ManifestStore, moment: str) -> None:
    child = _child("killed", versions.root, moment)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "here"
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGKILL
    strays = [entry.name for entry in versions.root.iterdir() if not re.fullmatch(r"v\d+\.parquet", entry.name)]
    assert [stray.startswith(atomic.TEMPORARY_PREFIX) for stray in strays] == [True]  # it was killed in the write
    expected = [1, 2] if moment == "linked" else [1]
    assert [manifest.read().num_rows for manifest in versions.history()] == [3, 5000][: len(expected)]
    assert sorted(path.name for path in versions.root.glob("v*.parquet")) == [
        f"v{number}.parquet" for number in expected
    ]
    assert commit(versions, rows(4), expected[-1]).version == expected[-1] + 1


def test_a_writer_killed_at_any_time_leaves_whole_versions_only(versions: ManifestStore) -> None:
    chosen = random.Random(3)
    for _ in range(2):
        child = _child("commits", versions.root)
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "here"
        time.sleep(chosen.uniform(0.05, 0.3))
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=30)
        assert child.returncode == -signal.SIGKILL
        history = versions.history()
        assert [manifest.version for manifest in history] == list(range(1, len(history) + 1))
        assert {manifest.read().num_rows for manifest in history[1:]} <= {500}
    assert len(history) > 3


# Whole files, through manifests.files.atomic


def test_an_exclusive_write_does_not_replace(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first")
    with pytest.raises(FileExistsError):
        write_exclusive(tmp_path / "a", lambda path: path.write_text("second"))
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("a", "first")]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_exclusive(tmp_path / "a", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_replacing_write_replaces_in_one_step(tmp_path: Path) -> None:
    write_replace(tmp_path / "deep/a", b"first")
    write_replace(tmp_path / "deep/a", b"second")
    assert [(entry.name, entry.read_bytes()) for entry in (tmp_path / "deep").iterdir()] == [("a", b"second")]


# The other process


def _child(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.Popen(command, env=SCRIPT_ENVIRONMENT, stdout=subprocess.PIPE, text=True)


def _race(root: str, writer: str) -> None:
    """Commit on version 1, 2, 3, ... as soon as it is there; print who won each round."""
    versions = ManifestStore(root)
    table = rows(50)
    for parent in range(1, RACE_ROUNDS + 1):
        while versions.latest() != parent:
            time.sleep(0)
        (versions.root / f"ready-{parent}-{writer}").touch()
        while len(list(versions.root.glob(f"ready-{parent}-*"))) < 2:
            time.sleep(0)
        try:
            commit(versions, table, parent, writer=writer)
        except CommitConflict:
            print("lost")
        else:
            print("won")


def _commits(root: str) -> None:
    """Commit again and again."""
    versions, table = ManifestStore(root), rows(500)
    commit(versions, table, versions.latest())
    print("here", flush=True)
    while True:
        commit(versions, table, versions.latest())


def _killed(root: str, moment: str) -> None:
    """Commit a large table, and stop for good at a moment in the write."""

    def stop() -> None:
        print("here", flush=True)
        time.sleep(600)

    write, link = store.write_rows, os.link

    def halting_write(parts: Iterable[pa.Table], path: Path, stamp: Mapping[str, Any]) -> None:
        if moment != "nothing written":
            write(parts, path, stamp)
        if moment == "half written":
            os.truncate(path, path.stat().st_size // 2)
        path.touch()
        if moment in ("nothing written", "half written", "all written"):
            stop()

    def halting_link(source: Path, target: Path) -> None:
        if moment == "linked":
            link(source, target)
        stop()

    store.write_rows = halting_write
    os.link = halting_link  # type: ignore[assignment]
    commit(ManifestStore(root), rows(5000), 1)


CHILDREN: dict[str, Callable[..., None]] = {"race": _race, "commits": _commits, "killed": _killed}

if __name__ == "__main__":
    CHILDREN[sys.argv[1]](*sys.argv[2:])
