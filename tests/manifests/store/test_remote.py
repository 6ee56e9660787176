"""Versions and blobs at URLs: the contracts of the store hold in memory and on a real S3 server."""

import errno
import hashlib
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image
from red_teacher import FixedFaces, RedIsPerson
from s3_server import s3_of_this_process
from small_lineages import picture

from manifests.__main__ import main
from manifests.bench.rows import made_up_blobs, made_up_parts
from manifests.cli.arguments import run_command
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog
from manifests.errors import UserError
from manifests.files import storage
from manifests.files.blob_cache import BlobCache
from manifests.files.blobs import BlobError, BlobStore
from manifests.files.storage import beside, place
from manifests.run.__main__ import main as run_both
from manifests.samples.attributes import read_attributes
from manifests.store.manifest import CommitConflict, Manifest, ManifestStore
from manifests.store.training_rows import accepted_rows
from manifests.upkeep.garbage import MIN_AGE_SECONDS, delete_garbage, find_garbage, storage_clock
from manifests.upkeep.verify import verify
from pipeline.face_attributes.__main__ import main as face_attributes
from pipeline.faces.face import Face
from pipeline.labelling.destination import Destination
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import ShardResult, process_shard, read_rows
from pipeline.sources import Origins, Picture, without_blobs
from pipeline.sources.remote import RemoteFile
from trainer.data.cache import cache_directory, cached_samples
from trainer.data.preprocessing import imagenet

BUCKET = "faces"
BLOBS = 20


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server whose bucket is BUCKET."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    with s3_of_this_process(tmp_path_factory.mktemp("s3")):
        fsspec.filesystem("s3").mkdir(BUCKET)
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine's own directory for what lies at URLs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/maskfoundry"


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest) -> str:
    """Of a place where nothing is yet."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        return f"s3://{BUCKET}/{uuid.uuid4().hex}"
    return f"memory://{uuid.uuid4().hex}"


def rows(count: int) -> pa.Table:
    return pa.concat_tables(made_up_parts(count))


def commit(store: ManifestStore, table: pa.Table, parent: int | None) -> Manifest:
    return store.commit(table, parent=parent, operation="x", parameters={}, data_root=beside(store.root, "../data"))


def test_what_is_read_is_what_was_committed(url: str) -> None:
    store = ManifestStore(f"{url}/manifests")
    assert store.versions() == []
    commit(store, rows(300), None)
    manifest = Manifest.open(f"{url}/manifests/v1.parquet")
    assert manifest.read().equals(rows(300))
    assert manifest.read(["split"], only={"status": "rejected"}).num_rows == manifest.counts["rejected"]
    assert str(manifest.data_root) == f"{url}/data"
    with fsspec.open(str(manifest.path)) as file:
        assert manifest.digest == hashlib.sha256(file.read()).hexdigest()


def test_a_second_commit_on_the_same_parent_conflicts_and_the_first_stays(url: str) -> None:
    store = ManifestStore(f"{url}/manifests")
    commit(store, rows(5), None)
    blind = ManifestStore(f"{url}/manifests")
    blind.latest = lambda: None  # type: ignore[method-assign]  # it looked before the first one was there
    with pytest.raises(CommitConflict, match="reload and commit again"):
        commit(blind, rows(9), None)
    assert [manifest.counts["rows"] for manifest in store.history()] == [5]


def test_of_writers_at_once_exactly_one_makes_each_version(url: str) -> None:
    commit(ManifestStore(f"{url}/manifests"), rows(3), None)

    def write(_number: int) -> bool:
        try:
            commit(ManifestStore(f"{url}/manifests"), rows(4), 1)
        except CommitConflict:
            return False
        return True

    with ThreadPoolExecutor(4) as executor:
        assert sum(executor.map(write, range(4))) == 1
    assert [path.name for path in sorted(ManifestStore(f"{url}/manifests").root.iterdir(), key=str)] == [
        "v1.parquet", "v2.parquet",
    ]  # fmt: skip


def test_a_failed_commit_leaves_nothing(url: str) -> None:
    store = ManifestStore(f"{url}/manifests")
    table = rows(3)
    bad = table.set_column(table.schema.get_field_index("split"), table.schema.field("split"), pa.array(["dev"] * 3))
    with pytest.raises(UserError, match="column split is none of"):
        commit(store, bad, None)
    assert store.versions() == []


def test_blobs_are_read_only_with_their_own_bytes(url: str) -> None:
    blobs = BlobStore(place(f"{url}/data"), cached=False)
    blob = blobs.put(b"abc", ".png")
    assert blobs.put(b"abc", ".png") == blob
    assert blobs.read(blob.path, blob.sha256) == b"abc"
    storage.replace(blobs.root / blob.path, b"abd")
    with pytest.raises(BlobError, match="to have the SHA-256"):
        blobs.read(blob.path, blob.sha256)
    blobs.put(b"abc", ".png")
    assert blobs.read(blob.path, blob.sha256) == b"abc"
    with pytest.raises(BlobError, match="found nothing; restore it"):
        blobs.read("blobs/00/none.png", "0" * 64)
    with pytest.raises(BlobError, match="expected a blob path under"):
        blobs.read("../elsewhere.png", blob.sha256)


def test_a_blob_is_fetched_once_and_an_altered_one_is_never_cached(url: str, cache: Path) -> None:
    blobs = BlobStore(place(f"{url}/data"))
    blob = blobs.put(b"abc", ".png")
    storage.replace(blobs.root / blob.path, b"abd")
    with pytest.raises(BlobError, match="to have the SHA-256"):
        blobs.read(blob.path, blob.sha256)
    assert blobs.local_file(blob.sha256) is None
    assert blobs.absence(blob.sha256) == "no such file, or one with other bytes"
    blobs.put(b"abc", ".png")
    assert blobs.read(blob.path, blob.sha256) == b"abc"
    (blobs.root / blob.path).unlink()
    assert blobs.read(blob.path, blob.sha256) == b"abc"
    assert blobs.local_file(blob.sha256) == cache / url.replace("://", "/") / "data" / blob.path
    assert blobs.find(blob.sha256) is None  # that asks the store
    assert BlobStore(place(f"{url}/other")).local_file(blob.sha256) is None  # another dataset's


def test_a_mask_that_is_in_the_cache_needs_no_request(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = BlobStore(place(f"{url}/data"))
    mask = blobs.put(b"mask", ".png")
    copy = blobs.local_file(mask.sha256)
    monkeypatch.setattr("manifests.files.blobs.read_remote", lambda path: pytest.fail(f"a request for {path}"))
    assert blobs.local_file(mask.sha256) == copy
    assert copy is not None
    assert copy.read_bytes() == b"mask"


def test_without_room_for_copies_blobs_are_read_all_the_same(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blobs = BlobStore(place(f"{url}/data"))
    blob = blobs.put(b"image", ".jpg")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", f"{url}/cache")

    monkeypatch.setattr(BlobCache, "add", full)
    assert [blobs.read(blob.path, blob.sha256) for _ in range(2)] == [b"image"] * 2
    [record] = caplog.records
    assert record.getMessage().startswith("blobs are read without copies on this machine: [Errno 28] No space left")
    with pytest.raises(OSError, match="No space left"):  # a server needs the file
        blobs.local_file(blob.sha256)


def test_verify_names_the_blob_with_a_flipped_bit(url: str) -> None:
    manifest = made_up_blobs(ManifestStore(f"{url}/manifests"), BLOBS)
    assert verify(manifest) == []
    row = manifest.read(["mask"]).to_pylist()[3]
    path = manifest.data_root / row["mask"]
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    storage.replace(path, bytes(data))
    (problem,) = verify(manifest)
    assert row["mask"] in problem


def test_a_network_is_fitted_on_pixels_from_a_url(url: str, cache: Path) -> None:
    manifest = made_up_blobs(ManifestStore(f"{url}/manifests"), BLOBS)
    directory = cache_directory(manifest.data_root)
    assert directory.stat().st_mode & 0o777 == 0o700  # people's faces
    assert directory.is_relative_to(cache)
    accepted = accepted_rows(manifest, "all")
    samples = cached_samples(accepted, BlobStore(manifest.data_root), imagenet(32), directory)
    assert len(samples.images) == len(accepted) > 0


def test_a_dataset_at_a_url_is_merged_into_one_at_another(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = made_up_blobs(ManifestStore(f"{url}/b/manifests"), BLOBS)
    commit(ManifestStore(f"{url}/a/manifests"), theirs.read().slice(0, 0), None)
    log = f"sqlite:///{tmp_path / 'log.sqlite3'}"
    DecisionLog(log).close()
    main(["merge", f"{url}/b/manifests", "--into", f"{url}/a/manifests", "--database-url", log])
    printed = capsys.readouterr().out
    assert f"{theirs.counts['rows']:,} samples added, 0 known on both sides" in printed
    merged = ManifestStore(f"{url}/a/manifests").open()
    assert printed.splitlines()[-1] == str(merged.path) == f"{url}/a/manifests/v2.parquet"
    assert verify(merged) == []


def test_faces_of_a_dataset_at_a_url_become_attributes_there(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = made_up_blobs(ManifestStore(f"{url}/manifests"), BLOBS)
    face_attributes(["--manifest", str(manifest.path)])
    assert capsys.readouterr().out.splitlines()[-1] == f"{url}/data/attributes/1.parquet"
    found = read_attributes(manifest.data_root, manifest.read(["sample_id"], only={"status": "accepted"})["sample_id"])
    assert set(found["faces"].to_pylist()) == {"none"}


def test_the_commands_work_at_a_url(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = made_up_blobs(ManifestStore(f"{url}/manifests"), BLOBS)
    commit(ManifestStore(f"{url}/manifests"), manifest.read().slice(0, 8), 1)
    where = ["--manifests", f"{url}/manifests"]
    for command, expected in [
        (["log"], "v2  "),
        (["show", "v1"], f"digest    {manifest.digest}"),
        (["show", "v1", "--sheet", str(tmp_path / "sheet.png")], "sheet.png"),
        (["stats", "v1"], f"{url}/manifests/v1.parquet"),
        (["diff", "v1", "v2"], "0 added, 2 removed"),
        (["verify", f"{url}/manifests/v2.parquet"], "8 rows, every blob present and unaltered"),
        (["export", "folders", str(tmp_path / "folders"), "v1"], "samples of v1"),
    ]:
        main([*command, *where])
        assert expected in capsys.readouterr().out, command


def test_versions_are_imported_published_and_selected_at_a_url(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(5)
    for kind, pixels in (("images", rng.integers(0, 256, (64, 48, 3))), ("masks", np.tile([0, 255], (64, 24)))):
        (tmp_path / kind).mkdir()
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / kind / "one.png")
    where = ["--manifests", f"{url}/manifests", "--data", f"{url}/data"]
    pairs = ["--images", str(tmp_path / "images"), "--masks", str(tmp_path / "masks"), "--source", "studio"]
    main(["import", *pairs, *where])
    store = ManifestStore(f"{url}/manifests")
    pending = rows(50).filter(pc.equal(rows(50)["status"], "pending"))
    store.update(
        lambda table, _version: pa.concat_tables([table, pending]),
        operation="x",
        parameters={},
        data_root=store.data_root(),
    )
    database = f"sqlite:///{tmp_path}/log.sqlite3"
    log = DecisionLog(database)
    mask = pending.select(["sample_id", "mask_sha256"]).to_pylist()[0]
    log.append([Decision("1", **mask, verdict="accept", reviewer="ann", decided_at=datetime(2026, 1, 1, tzinfo=UTC))])
    log.close()
    main(["publish", *where[:2], "--database-url", database])
    (tmp_path / "clean.toml").write_text('origins = ["ground_truth"]')
    main(["select", str(tmp_path / "clean.toml"), *where[:2]])
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == f"{url}/manifests/selections/clean/v1.parquet"
    assert store.open(3).counts["accepted"] == 2
    assert verify(Manifest.open(printed[-1])) == []


def test_the_default_decision_log_is_no_file_at_a_url(url: str) -> None:
    made_up_blobs(ManifestStore(f"{url}/manifests"), BLOBS)
    with pytest.raises(UserError, match="expected --database-url"):
        main(["publish", "--manifests", f"{url}/manifests"])


def test_gc_deletes_nothing_where_a_deletion_is_not_exact(s3: None, tmp_path: Path) -> None:
    url = f"{uuid.uuid4().hex}/manifests"
    made_up_blobs(ManifestStore(f"memory://{url}"), BLOBS)
    with pytest.raises(UserError, match="expected a directory or an s3:// URL, found memory://"):
        main(["gc", "--manifests", f"memory://{url}"])
    blobs = BlobStore(made_up_blobs(ManifestStore(f"s3://{BUCKET}/{url}"), BLOBS).data_root)
    blob = blobs.put(b"orphan", ".png")
    gc = ["gc", "--manifests", f"s3://{BUCKET}/{url}", "--delete"]
    with pytest.raises(UserError, match="expected a bucket with versioning at s3://"):
        main([*gc, "--database-url", f"sqlite:///{tmp_path}/log.sqlite3"])
    assert blobs.find(blob.sha256)


@pytest.fixture
def versioned(s3: None) -> str:
    """A URL in a bucket with versioning."""
    bucket, s3fs = f"b{uuid.uuid4().hex}", fsspec.filesystem("s3")
    s3fs.mkdir(bucket)
    s3fs.call_s3("put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return f"s3://{bucket}/set"


def test_gc_deletes_old_blobs_that_nothing_names_and_keeps_one_that_is_stored_again(versioned: str) -> None:
    manifest = made_up_blobs(ManifestStore(f"{versioned}/manifests"), BLOBS)
    blobs = BlobStore(manifest.data_root, cached=False)
    forgotten, needed, in_shard = (blobs.put(data, ".png") for data in (b"old", b"needed", b"labelled"))
    blobs.put(b"old", ".png")  # two versions of one object
    table = pa.table({"mask_sha256": [in_shard.sha256]})
    with (manifest.data_root / "shards/1/part.parquet").open("wb") as file:
        pq.write_table(table, file)
    now = storage_clock(manifest.data_root)
    young = find_garbage(manifest.path.parent, manifest.data_root, log=None, now=now)
    assert (len(young.deletable), {orphan.path.stem for orphan in young.young}) == (
        0, {forgotten.sha256, needed.sha256},
    )  # fmt: skip
    garbage = find_garbage(manifest.path.parent, manifest.data_root, log=None, now=now + MIN_AGE_SECONDS + 60)
    assert {orphan.path.name: orphan.size_bytes for orphan in garbage.deletable} == {
        f"{forgotten.sha256}.png": 6, f"{needed.sha256}.png": 6,
    }  # fmt: skip
    blobs.put(b"needed", ".png")  # by a run that will name it soon
    assert len(delete_garbage(garbage, manifest.data_root)) == 2
    assert blobs.find(forgotten.sha256) is None
    assert blobs.read(needed.path, needed.sha256) == b"needed"
    assert blobs.read(in_shard.path, in_shard.sha256) == b"labelled"
    assert verify(manifest) == []


def test_gc_at_a_url_wants_the_decision_log(versioned: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = made_up_blobs(ManifestStore(f"{versioned}/manifests"), BLOBS)
    BlobStore(manifest.data_root).put(b"orphan", ".png")
    gc = ["gc", "--manifests", f"{versioned}/manifests"]
    main(gc)
    assert "0 blobs (0 bytes) of" in capsys.readouterr().out
    with pytest.raises(UserError, match="expected --database-url"):
        main([*gc, "--delete"])
    (tmp_path / "none.sqlite3").touch()
    main([*gc, "--delete", "--database-url", f"sqlite:///{tmp_path}/none.sqlite3"])
    assert "1 blob (6 bytes) too young to tell\ndeleted 0 files" in capsys.readouterr().out


def test_a_local_dataset_may_have_its_blobs_at_a_url(url: str, tmp_path: Path) -> None:
    store = ManifestStore(tmp_path / "manifests")
    store.commit(rows(3), parent=None, operation="x", parameters={}, data_root=place(f"{url}/data"))
    assert str(store.open().data_root) == f"{url}/data"
    with pytest.raises(UserError, match="pass --data a URL"):
        ManifestStore(f"{url}/m").commit(rows(3), parent=None, operation="x", parameters={}, data_root=tmp_path)


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    assert place(f"file://{tmp_path}/manifests") == tmp_path / "manifests"
    assert type(place(str(tmp_path))) is type(tmp_path)


def test_a_run_refuses_a_destination_that_could_not_hold_its_version(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, data_root = Destination(f"{url}/manifests").open()
    assert (str(store.root), str(data_root)) == (f"{url}/manifests", f"{url}/data")
    with pytest.raises(UserError, match="pass --data a URL"):
        Destination(f"{url}/manifests", str(tmp_path)).open()
    monkeypatch.setattr(storage, "EXCLUSIVE", ())
    with pytest.raises(UserError, match="which is read-only here"):
        Destination(f"{url}/manifests").open()


def test_a_shard_at_a_url_is_resumed_and_finished_by_other_machines(url: str, tmp_path: Path, cache: Path) -> None:
    """Each has a cache of its own, which is all that it keeps."""
    for seed in range(6):
        Image.fromarray(picture(seed)).save(tmp_path / f"{seed}.png")
    images = [Picture(path) for path in sorted(tmp_path.glob("*.png"))]
    blobs, work = BlobStore(place(f"{url}/data")), LabelWork(Origins("web"))

    def label(directory: Path, *, most: int) -> ShardResult:
        labelled: list[int] = []
        return process_shard(
            images, directory, lambda: Labeller(work, FixedFaces(Face(16, 12, 26, 26, 1.0)), teacher, blobs),
            threads=1, stopped=lambda: len(labelled) >= most, advance=labelled.append,
        )  # fmt: skip

    teacher, directory = RedIsPerson(), blobs.root / "shards/a"
    with pytest.raises(CancelledError):
        label(directory, most=4)  # a resumed shard advances by its part, of no images here, first
    shutil.rmtree(cache, ignore_errors=True)
    teacher = RedIsPerson()
    finished = label(directory, most=100)
    assert (finished.samples, finished.resumed, len(teacher.seen)) == (6, False, 3)
    shutil.rmtree(cache, ignore_errors=True)
    again = label(directory, most=0)
    assert (again.samples, again.resumed) == (6, True)
    assert again.directory == f"{url}/data/shards/a"
    here = label(tmp_path / "here", most=100)
    assert list(read_rows([again])) == list(read_rows([here]))
    assert sorted(path.name for path in directory.iterdir()) == ["quarantine.parquet", "rows.parquet"]


def test_a_store_that_replaces_files_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a server that speaks S3's language and doesn't know If-None-Match."""
    pipe_file = MemoryFileSystem.pipe_file
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", lambda self, path, value, **_mode: pipe_file(self, path, value))
    store = ManifestStore(f"memory://{uuid.uuid4().hex}/manifests")
    with pytest.raises(UserError, match="no If-None-Match"):
        commit(store, rows(3), None)
    assert [entry.name for entry in store.root.parent.rglob("*") if entry.is_file()] == []


def test_a_store_that_promises_nothing_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "EXCLUSIVE", ("s3",))
    with pytest.raises(UserError, match="which is read-only here"):
        commit(ManifestStore(f"memory://{uuid.uuid4().hex}/manifests"), rows(3), None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("nope://set/manifests", "expected to reach nope://set/manifests, found: Unsupported filesystem"),
        ("s3://key:secret@faces/set", "without a password"),
        ("s3://faces//set", "expected a URL whose parts are all names, found s3://faces//set"),
        ("s3://faces/set/../other", "expected a URL whose parts are all names"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_in_one_line(given: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        place(given)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_bucket_that_is_not_there_is_named(s3: None) -> None:
    with pytest.raises(UserError, match="expected the bucket of s3://elsewhere/set, found none"):
        place("s3://elsewhere/set")


def test_a_store_that_stops_answering_is_one_line(s3: None, capsys: pytest.CaptureFixture[str]) -> None:
    from botocore.exceptions import EndpointConnectionError

    def stop(_arguments: Sequence[str]) -> None:
        raise EndpointConnectionError(endpoint_url="http://10.0.0.1/faces")

    with pytest.raises(SystemExit) as caught:
        run_command(stop)
    assert caught.value.code == 1
    assert capsys.readouterr().err == (
        "error: expected the store of the URL to answer, found: Could not connect to the endpoint URL: "
        '"http://10.0.0.1/faces"; check its endpoint, credentials and network, then run it again\n'
    )


@pytest.mark.parametrize(
    ("command", "name"),
    [(main, ["doctor"]), (main, ["forget", "--sample-id", "0" * 32]), (run_both, ["--images", "photographs"])],
)
def test_what_needs_a_directory_refuses_a_url_in_one_line(
    command: Callable[[Sequence[str]], None], name: list[str]
) -> None:
    with pytest.raises(
        UserError, match="works on local files, found memory://set/manifests; give a directory"
    ) as caught:
        command([*name, "--manifests", "memory://set/manifests"])
    assert "\n" not in str(caught.value)


def test_the_datasets_own_blobs_are_no_source_images(url: str) -> None:
    names = ("data/blobs/ab/abcd.jpg", "photographs/1.jpg", "data/blobs.jpg")
    pictures = [Picture(RemoteFile(f"{url}/{name}")) for name in names]
    assert without_blobs(pictures, place(f"{url}/data")) == pictures[1:]


def test_a_missing_package_is_named_with_its_extra() -> None:
    code = "import sys; sys.modules['s3fs'] = None; from manifests.files.storage import beside, place; place('s3://faces/set')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'maskfoundry[s3]'" in done.stderr
