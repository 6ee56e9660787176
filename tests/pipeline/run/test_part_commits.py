"""A run committed in parts ends in the rows of one commit; when parts come, and what disturbs them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from red_teacher import FixedFaces, RedIsPerson
from small_lineages import Lineage, picture

from manifests.files.blobs import BlobStore
from manifests.samples.sample import JOINED_COLUMNS, TURNED_PHASHES, Row, add_rows
from manifests.store.manifest import CommitConflict, ManifestStore
from manifests.upkeep.verify import verify
from pipeline.faces.face import Face
from pipeline.labelling.commit import Generated, commit_rows, commit_shards
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import ShardResult, process_shard
from pipeline.run.part_commits import PartCommits
from pipeline.run.plan import Plan
from pipeline.run.worker import Job
from pipeline.sources import Origins, Picture
from pipeline.teachers import TeacherOptions

SHARD_SIZE = 7
FACE = Face(16, 12, 26, 26, 1.0)


class Clock:
    """A clock that moves by a step with each image."""

    def __init__(self, step: float) -> None:
        self.seconds, self.step = 0.0, step

    def __call__(self) -> float:
        return self.seconds


def run_in_parts(
    images: Sequence[Path], root: Path, step: float, *, after_each: Callable[[], object] = lambda: None
) -> tuple[ManifestStore, Generated]:
    """Label the images `step` seconds apart, commit parts, then all; shards that exist in `root` are resumed."""
    work, blobs = LabelWork(Origins("web")), BlobStore(root / "data")
    pictures = [Picture(path) for path in images]
    shards = [pictures[begin : begin + SHARD_SIZE] for begin in range(0, len(pictures), SHARD_SIZE)]
    store, clock = ManifestStore(root / "manifests"), Clock(step)
    job = Job(work, None, TeacherOptions(), blobs.root, None)
    parts = PartCommits(Plan(shards, job, store, 0, {"images": "photographs"}), clock=clock)

    def labelled(part: object) -> None:
        clock.seconds += step
        parts.image_labelled(part)
        after_each()

    results: list[ShardResult] = []
    for number, shard in enumerate(shards):
        labeller = Labeller(work, FixedFaces(FACE), RedIsPerson(), blobs)
        directory = root / f"shards/{number}"
        results.append(process_shard(shard, directory, lambda made=labeller: made, labelled=labelled))
        parts.shard_finished(results[-1])
    parameters = {"images": "photographs"}
    return store, commit_shards(
        results, store, blobs.root, parameters=parameters, added_before=parts.samples_added
    )  # fmt: skip


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Forty images, among them look-alikes, mirrored ones, a copy and a damaged file, of which parts cut through."""
    folder = tmp_path_factory.mktemp("photographs")
    originals = [Image.fromarray(picture(seed)) for seed in range(20)]
    alike = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in originals[:8]]
    darker = [image.point(lambda level: level * 9 // 10) for image in originals[8:18]]
    for number, image in enumerate([*originals, *alike, *darker]):
        image.save(folder / f"{number:02}.png")
    (folder / "38.png").write_bytes((folder / "03.png").read_bytes())
    (folder / "39.png").write_bytes(b"no image")
    return sorted(folder.iterdir())


def rows_of(store: ManifestStore, version: int | None = None) -> list[Row]:
    """The rows, in order, without the version in which each appeared."""
    return store.open(version).read().drop_columns("added_in").to_pylist()


def parts_of(store: ManifestStore) -> list[object]:
    return [version.parameters.get("part") for version in store.history()]


def test_a_run_in_parts_ends_in_the_rows_of_one_commit(photographs: list[Path], tmp_path: Path) -> None:
    whole, at_once = run_in_parts(photographs, tmp_path / "whole", 0.0)
    store, generated = run_in_parts(photographs, tmp_path / "parts", 5.0)
    assert parts_of(whole) == ["16 of 40 images", None]
    assert parts_of(store) == ["16 of 40 images", "22 of 40 images", "34 of 40 images", None]
    assert rows_of(store) == rows_of(whole)
    assert len({row["group_id"] for row in rows_of(store)}) == 20
    assert (generated.samples, generated.samples_added) == (at_once.samples, at_once.samples_added) == (38, 38)
    assert str(generated).partition(", see")[0] == str(at_once).partition(", see")[0]
    assert "in the dataset already" not in str(generated)
    counts = [(version.parameters["samples"], version.parameters["quarantined"]) for version in store.history()]
    assert counts == [(16, 0), (22, 0), (34, 0), (38, 1)]
    for version in store.history():
        assert verify(version) == []
        assert rows_of(store, version.version) == rows_of(store)[: version.counts["rows"]]


def test_a_resumed_run_commits_what_the_first_one_had_labelled(photographs: list[Path], tmp_path: Path) -> None:
    """The first one is stopped, as by Ctrl-C, in its third shard and before a version."""
    images = []

    def stop_at_the_seventeenth() -> None:
        images.append(1)
        if len(images) == SHARD_SIZE + 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_parts(photographs, tmp_path, 0.0, after_each=stop_at_the_seventeenth)
    assert ManifestStore(tmp_path / "manifests").versions() == []
    store, generated = run_in_parts(photographs, tmp_path, 0.0)
    assert parts_of(store) == ["23 of 40 images", None]  # 16 new ones, beside the finished shard
    assert generated.samples_added == 38


def test_a_run_killed_after_a_version_ends_in_the_rows_of_an_undisturbed_one(
    photographs: list[Path], tmp_path: Path
) -> None:
    """Its versions stay; what it labelled after the last one, and did not save, is labelled again."""
    whole, _ = run_in_parts(photographs, tmp_path / "whole", 0.0)
    images = []

    def killed_at_the_nineteenth() -> None:
        images.append(1)
        if len(images) == 19:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_parts(photographs, tmp_path / "killed", 0.0, after_each=killed_at_the_nineteenth)
    store, generated = run_in_parts(photographs, tmp_path / "killed", 0.0)
    assert parts_of(store) == ["16 of 40 images", "30 of 40 images", None]
    assert rows_of(store) == rows_of(whole)
    assert str(generated).startswith("38 portrait(s), 16 of them in the dataset already")


def test_a_run_with_nothing_new_makes_no_version(photographs: list[Path], tmp_path: Path) -> None:
    run_in_parts(photographs, tmp_path, 0.0)
    store, generated = run_in_parts(photographs, tmp_path, 1000.0)
    assert store.versions() == [1, 2]
    assert str(generated).startswith("38 portrait(s), 38 of them in the dataset already")


def test_known_samples_are_no_reason_for_a_commit_with_each_image(photographs: list[Path], tmp_path: Path) -> None:
    """Of a grown folder whose shards are labelled again, the versions still come at intervals."""
    run_in_parts(photographs[:30], tmp_path, 0.0)
    for path in (tmp_path / "shards").rglob("rows.parquet"):
        path.unlink()
    before = len(ManifestStore(tmp_path / "manifests").versions())
    tries: list[int] = []
    amend = ManifestStore.amend
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ManifestStore, "amend", lambda *a, **o: tries.append(1) or amend(*a, **o))
        store, _ = run_in_parts(photographs, tmp_path, 0.0)
    assert len(tries) == 2  # with the first 16 samples, and at the end
    assert len(store.versions()) == before + 1


def test_ten_hours_make_a_dozen_versions(photographs: list[Path], tmp_path: Path) -> None:
    store, _ = run_in_parts(photographs, tmp_path, 36_000 / len(photographs))
    assert 8 <= len(store.versions()) <= 12


def test_verdicts_published_between_parts_stay(photographs: list[Path], tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    judged: list[str] = []

    def judge_the_first() -> None:
        if lineage.store.versions() and not judged:
            [row, *_] = lineage.rows().values()
            judged.append(row["sample_id"])
            lineage.store.update(
                lambda table, _version: accepted(table, judged), operation="review", parameters={},
                data_root=lineage.blobs.root,
            )  # fmt: skip

    store, _ = run_in_parts(photographs, tmp_path, 5.0, after_each=judge_the_first)
    assert [version.operation for version in store.history()] == [
        "generate", "review", "generate", "generate", "generate",
    ]  # fmt: skip
    assert {name for name, row in lineage.rows().items() if row["status"] == "accepted"} == set(judged)
    assert len(rows_of(store)) == 38


def accepted(table: pa.Table | None, sample_ids: Sequence[str]) -> pa.Table:
    assert table is not None
    rows = [
        {**row, **({"status": "accepted", "votes_accept": 1, "reviewers": ["ann"]} if row["sample_id"] in sample_ids
            else {})}
        for row in table.to_pylist()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=table.schema)


def test_a_version_that_another_commits_meanwhile_is_built_upon(tmp_path: Path) -> None:
    lineage, later = Lineage(tmp_path), Lineage(tmp_path / "later")
    lineage.generate(1)
    later.generate(2)
    calls = []

    def rows() -> list[Row]:
        calls.append(1)
        if len(calls) == 1:
            lineage.generate(3)
        return list(later.rows().values())

    manifest, added = commit_rows(rows, lineage.store, lineage.blobs.root, parameters={})
    assert manifest is not None
    assert (len(calls), manifest.version, manifest.counts["rows"], added.count) == (2, 3, 3, 1)


def test_a_part_that_can_not_be_committed_is_left_to_the_next(
    photographs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Others commit without a pause."""
    commit, conflicts = ManifestStore.commit, [CommitConflict("expected parent 1 to be the latest version")] * 5

    def sometimes(*arguments: object, **options: object) -> object:
        if conflicts:
            raise conflicts.pop()
        return commit(*arguments, **options)

    monkeypatch.setattr(ManifestStore, "commit", sometimes)
    store, generated = run_in_parts(photographs, tmp_path, 5.0)
    assert parts_of(store) == ["22 of 40 images", "28 of 40 images", None]
    assert generated.samples_added == 38
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith("no version of 16 of 40 images: expected parent 1 to be")


hashes = st.tuples(st.integers(0, 3), st.integers(0, 63), st.integers(0, 63)).map(
    lambda drawn: (0x0F0F33335555AAAA * (drawn[0] + 1) & (2**64 - 1)) ^ (1 << drawn[1]) ^ (7 << max(0, drawn[2] - 3))
)
samples = st.lists(st.tuples(hashes, hashes, st.integers(0, 9)), min_size=2, max_size=24)


@settings(max_examples=30, deadline=None)
@given(samples=samples, cuts=st.sets(st.integers(1, 23), max_size=4))
def test_groups_and_splits_do_not_depend_on_the_parts(samples: list[tuple[int, int, int]], cuts: set[int]) -> None:
    """Each part is followed by the whole run, which takes up what was left out."""
    rows = [
        {
            "sample_id": f"{number:032x}",
            "source_uri": f"/{number}.jpg",
            "source_sha256": f"{source:064x}",
            "phash": f"{phash:016x}",
            TURNED_PHASHES: [f"{turned:016x}"],
        }
        for number, (phash, turned, source) in enumerate(samples)
    ]
    at_once = joined(rows, [])
    in_parts = joined(rows, sorted(cuts))
    assert in_parts.select(COMPARED).to_pylist() == at_once.select(COMPARED).to_pylist()


COMPARED = ["sample_id", "group_id", "split"]


def joined(rows: Sequence[Row], cuts: Sequence[int]) -> pa.Table:
    """The table after a commit of the first rows up to each cut, and of all."""
    parts: list[pa.Table] = []
    for version, end in enumerate([*cuts, len(rows)], 1):
        patch = add_rows(rows[:end], (part.select(JOINED_COLUMNS) for part in parts), version=version).patch
        parts += [patch.added] if patch else []
    return pa.concat_tables(parts)


def test_the_property_meets_samples_that_are_left_out() -> None:
    """A sample between two groups of different splits is in no part."""
    rng = np.random.default_rng(0)
    left_out = 0
    for _ in range(20):
        base = int(rng.integers(0, 2**63))
        rows = [
            {
                "sample_id": f"{int(rng.integers(0, 2**63)):032x}", "source_uri": "/1.jpg",
                "source_sha256": f"{int(rng.integers(0, 2**63)):064x}", "phash": f"{base ^ bits:016x}",
            }
            for bits in (0, 0xFF, 0x0F)
        ]  # fmt: skip
        at_once, in_parts = joined(rows, []), joined(rows, [1, 2])
        assert in_parts.select(COMPARED).to_pylist() == at_once.select(COMPARED).to_pylist()
        left_out += at_once.num_rows == 2
    assert left_out > 3
