"""`select`: a policy takes accepted rows into a version of its own, and takes nothing away from the dataset."""

import shutil
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from joined_rows import join_dataset
from PIL import Image

from manifests.__main__ import main
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.decisions.publish import publish
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.samples.sample import Row, Source, store_sample
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.upkeep.verify import verify
from manifests.versions.policy_file import SelectionPolicy
from manifests.versions.selection import commit_selection, select

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def row(name: str, **changes: Any) -> Row:
    """An accepted pseudo-label that every policy of these tests takes, but for `changes`."""
    number = sum(ord(letter) * 256**place for place, letter in enumerate(name))
    digest = f"{number:064x}"
    return {
        "sample_id": f"{number:032x}",
        "source": "web",
        "source_uri": name,
        "source_sha256": digest,
        "license": "CC0",
        "image": f"blobs/00/{digest}.jpg",
        "image_sha256": digest,
        "width": 40,
        "height": 50,
        "mask": f"blobs/00/{digest}.png",
        "mask_sha256": digest,
        "roi_x": 0,
        "roi_y": 0,
        "roi_w": 40,
        "roi_h": 50,
        "face_w": 70.0,
        "face_h": 80.0,
        "origin": "teacher",
        "teacher": "toy@0123456789ab",
        "doubt": 0.1,
        "phash": f"{number % 2**64:016x}",
        "group_id": f"{number:032x}",
        "split": "train",
        "status": "accepted",
        "reviewers": ["ana", "ben"],
        "votes_accept": 2,
        "votes_reject": 0,
        "added_in": 1,
    } | changes


TRUSTED = {"origin": "ground_truth", "teacher": None, "votes_accept": 0, "reviewers": [], "doubt": None}


def taken(policy: SelectionPolicy, *rows: Row) -> list[str]:
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    return select(table, policy).rows["source_uri"].to_pylist()


def test_an_empty_policy_takes_every_accepted_row_in_order() -> None:
    rows = [row("b"), row("p", status="pending"), row("a"), row("r", status="rejected"), row("c", status="conflict")]
    assert taken(SelectionPolicy(), *rows) == ["b", "a"]


@pytest.mark.parametrize(
    ("policy", "left_out"),
    [
        (SelectionPolicy(sources=("studio", "web")), {"source": "eg1800"}),
        (SelectionPolicy(licences=("CC0", "CC BY 4.0")), {"license": "all rights reserved"}),
        (SelectionPolicy(licences=("CC0",)), {"license": None}),
        (SelectionPolicy(origins=("teacher",)), TRUSTED),
        (SelectionPolicy(min_votes=2), {"votes_accept": 1}),
        (SelectionPolicy(max_doubt=0.3), {"doubt": 0.31}),
        (SelectionPolicy(max_doubt=0.3), {"doubt": None}),
        (SelectionPolicy(min_face_px=64), {"face_h": 63.5}),
        (SelectionPolicy(min_face_px=64), {"face_w": 63.5}),
        (SelectionPolicy(min_face_px=64), {"face_w": None, "face_h": None}),
        (SelectionPolicy(exclude_reasons=("hair", "hands")), {"reason": "hair"}),
    ],
)
def test_a_key_leaves_out_what_does_not_pass_it(policy: SelectionPolicy, left_out: dict[str, Any]) -> None:
    assert taken(policy, row("good"), row("bad", **left_out)) == ["good"]


@pytest.mark.parametrize(
    ("policy", "row_that_passes"),
    [
        (SelectionPolicy(min_votes=2), {"votes_accept": 1, "votes_reject": 1}),
        (SelectionPolicy(min_votes=1), TRUSTED),
        (SelectionPolicy(max_doubt=0.3), {"doubt": 0.3}),  # the column is float32, in which 0.3 is a bit more
        (SelectionPolicy(max_doubt=0.3), TRUSTED),
        (SelectionPolicy(min_face_px=70), {}),
        (SelectionPolicy(exclude_reasons=("hair",)), {"reason": "hands"}),
        (SelectionPolicy(licences=("CC0", "")), {"license": None}),
    ],
)
def test_a_limit_itself_passes_and_ground_truth_needs_no_reviews(
    policy: SelectionPolicy, row_that_passes: dict[str, Any]
) -> None:
    assert taken(policy, row("kept", **row_that_passes)) == ["kept"]


def test_every_key_counts_what_it_leaves_out_for_itself() -> None:
    rows = [row("a"), row("b", source="x", doubt=0.9), row("c", doubt=0.9), row("p", source="x", status="pending")]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    found = select(table, SelectionPolicy(sources=("web",), max_doubt=0.5))
    assert (found.accepted, found.left_out, found.rows.num_rows) == (3, {"sources": 1, "max_doubt": 2}, 1)


# The file


def read(tmp_path: Path, text: str) -> SelectionPolicy:
    (tmp_path / "clean.toml").write_text(text, "utf-8")
    return SelectionPolicy.read(tmp_path / "clean.toml")


def test_a_policy_is_read_from_toml(tmp_path: Path) -> None:
    text = """
        sources = ["studio", "web"]
        licences = ["CC0"]
        origins = ["teacher", "ground_truth"]
        min_votes = 2
        max_doubt = 0.4
        min_face_px = 64
        exclude_reasons = ["hair"]
        leave_out_fold = "2/5"
    """
    policy = read(tmp_path, text)
    assert policy == SelectionPolicy(
        ("studio", "web"), ("CC0",), ("teacher", "ground_truth"), 2, 0.4, 64, ("hair",), "2/5"
    )
    assert list(policy.entries) == [field.name for field in fields(SelectionPolicy)]
    assert read(tmp_path, "").entries == {}


def test_everything_wrong_with_a_policy_is_named_in_one_line(tmp_path: Path) -> None:
    text = """
        sources = "web"
        licenses = ["CC0"]
        licences = []
        origins = ["teachers"]
        min_votes = 1.5
        max_doubt = 40
        min_face_px = true
        exclude_reasons = [1]
        [extra]
    """
    with pytest.raises(UserError, match=r"expected a policy in .*clean\.toml, found ") as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    for words in (
        "sources = 'web' instead of a list of texts",
        "the unknown key licenses (known: sources, licences, origins, min_votes, max_doubt, min_face_px, exclude_",
        "licences = [] instead of a list of texts, at least one",
        "origins = ['teachers'] instead of a list of ground_truth, face_crop, teacher",
        "min_votes = 1.5 instead of a whole number from 0 on",
        "max_doubt = 40 instead of a number from 0 to 1",
        "min_face_px = True instead of a number of pixels from 0 on",
        "exclude_reasons = [1] instead of",
        "the unknown key extra",
    ):
        assert words in message


def test_each_training_row_is_left_out_by_one_fold_and_held_out_rows_by_none() -> None:
    rows = [row(f"{at}", group_id=f"{at % 40:032x}") for at in range(80)]
    rows += [row("v", split="val"), row("t", split="test")]
    kept = [set(taken(SelectionPolicy(leave_out_fold=f"{number}/3"), *rows)) for number in (1, 2, 3)]
    left_out = [{f"{at}" for at in range(80)} - names for names in kept]
    assert sorted(name for names in left_out for name in names) == sorted(f"{at}" for at in range(80))
    assert all(10 < len(names) < 50 for names in left_out)
    assert all({f"{(int(name) + 40) % 80}" for name in names} == names for names in left_out)  # groups stay whole
    assert all({"v", "t"} <= names for names in kept)


@pytest.mark.parametrize("value", ['"0/5"', '"6/5"', '"1/1"', '"2"', "2", '"a/b"'])
def test_a_fold_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(UserError, match=r"leave_out_fold = .* instead of a text such as"):
        read(tmp_path, f"leave_out_fold = {value}")


@pytest.mark.parametrize("line", ["min_votes = true", "min_votes = -1", "max_doubt = nan", "min_face_px = inf"])
def test_numbers_that_are_none_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match=" instead of a "):
        read(tmp_path, line)


@pytest.mark.parametrize("content", [b"min_votes = ", b"sources = ['\xff']", b"a = " + b"[" * 9999])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clean.toml").write_bytes(content)
    with pytest.raises(UserError, match=r"expected TOML in .*clean\.toml, found: "):
        SelectionPolicy.read(tmp_path / "clean.toml")


def test_a_policy_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a policy at .*none\.toml, found no file"):
        SelectionPolicy.read(tmp_path / "none.toml")


# The versions, with real blobs


def picture(seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 64), Image.Resampling.BICUBIC))


def samples(blobs: BlobStore, seeds: range) -> list[Row]:
    """Trusted ones where the seed is even."""
    mask = np.zeros((64, 48), np.uint8)
    mask[20:, :30] = 255
    return [
        store_sample(
            blobs,
            picture(seed),
            mask,
            source=Source("web" if seed % 2 else "studio", f"/{seed}.jpg", f"{seed:064x}", "CC0"),
            roi=Box(0, 0, 48, 64),
            origin="teacher" if seed % 2 else "ground_truth",
            teacher="toy@0123456789ab" if seed % 2 else None,
            others={"doubt": seed / 10} if seed % 2 else None,
        )
        for seed in seeds
    ]


class Dataset:
    """Six samples: three trusted, and three pseudo-labels of which two are accepted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.store = ManifestStore(root / "manifests")

    def fill(self) -> None:
        self.add(range(6))
        self.review("/1.jpg", "/3.jpg")

    def add(self, seeds: range) -> None:
        rows = samples(BlobStore(self.data), seeds)
        self.store.update(
            lambda table, version: join_dataset(rows, table, version=version),
            operation="generate",
            parameters={},
            data_root=self.data,
        )

    def review(self, *accepted: str) -> None:
        log = DecisionLog(sqlite_url(self.data))
        log.append(
            [
                Decision(row["source_uri"], row["sample_id"], row["mask_sha256"], "accept", "ana", NOON)
                for row in self.store.open().read().to_pylist()
                if row["source_uri"] in accepted
            ]
        )
        publish(self.store, log)
        log.close()

    def select(self, policy: SelectionPolicy, name: str = "clean") -> Manifest:
        return commit_selection(self.store, self.store.open(), policy, name=name)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("selected_from")
    Dataset(root).fill()
    return root


@pytest.fixture
def dataset(original: Path, tmp_path: Path) -> Dataset:
    return Dataset(Path(shutil.copytree(original, tmp_path / "set")))


def uris(manifest: Manifest) -> list[str]:
    return list(manifest.read(["source_uri"])["source_uri"].to_pylist())


ONLY_WEB = SelectionPolicy(sources=("web",))


def test_a_selection_is_a_sound_version_that_names_its_policy_and_its_base(dataset: Dataset) -> None:
    made = dataset.select(SelectionPolicy(sources=("web",), max_doubt=0.2))
    base = dataset.store.open(2)
    assert made.path == dataset.root / "manifests/selections/clean/v1.parquet"
    assert (made.version, made.parent, made.operation, made.counts) == (1, None, "select", {"rows": 1, "accepted": 1})
    assert made.parameters == {
        "policy": {"sources": ["web"], "max_doubt": 0.2},
        "base": "v2.parquet",
        "base_version": 2,
        "base_digest": base.digest,
        "accepted": 5,
        "left_out": {"sources": 3, "max_doubt": 1},
    }
    assert made.data_root.resolve() == dataset.data.resolve()
    assert verify(made) == []


def test_selected_rows_are_as_they_were(dataset: Dataset) -> None:
    made = dataset.select(SelectionPolicy())
    rows = dataset.store.open().read()
    assert uris(made) == ["/0.jpg", "/1.jpg", "/2.jpg", "/3.jpg", "/4.jpg"]
    assert made.read().equals(rows.slice(0, 5))


def test_a_selection_is_no_step_of_the_dataset(dataset: Dataset) -> None:
    dataset.select(ONLY_WEB)
    assert dataset.store.latest() == 2
    dataset.add(range(6, 8))
    dataset.review("/5.jpg", "/7.jpg")
    assert uris(dataset.store.open()) == [f"/{seed}.jpg" for seed in range(8)]
    assert dataset.store.open().counts == {"rows": 8, "accepted": 8}


def test_a_later_select_takes_back_what_an_earlier_one_left_out(dataset: Dataset) -> None:
    narrow = dataset.select(ONLY_WEB)
    wide = dataset.select(SelectionPolicy())
    assert (uris(narrow), len(uris(wide)), wide.version, wide.parent) == (["/1.jpg", "/3.jpg"], 5, 2, 1)
    assert len(uris(Manifest.open(narrow.path))) == 2


def test_the_same_policy_on_the_same_base_is_the_same_version(dataset: Dataset) -> None:
    first, again = dataset.select(ONLY_WEB), dataset.select(ONLY_WEB)
    assert first.path == again.path
    dataset.review("/5.jpg")
    assert dataset.select(ONLY_WEB).version == 2


def test_selections_of_several_policies_stand_side_by_side(dataset: Dataset) -> None:
    dataset.select(ONLY_WEB)
    made = dataset.select(SelectionPolicy(sources=("studio",)), name="studio")
    assert made.path == dataset.root / "manifests/selections/studio/v1.parquet"
    assert uris(made) == ["/0.jpg", "/2.jpg", "/4.jpg"]


def test_a_policy_that_takes_nothing_writes_nothing_and_says_why(dataset: Dataset) -> None:
    with pytest.raises(UserError, match=r"found none of 5 \(sources leaves out 5, min_votes leaves out 2\); relax"):
        dataset.select(SelectionPolicy(sources=("elsewhere",), min_votes=3))
    assert not (dataset.root / "manifests/selections").exists()


def test_a_line_that_somebody_reviewed_is_not_written_over(dataset: Dataset) -> None:
    made = dataset.select(ONLY_WEB)
    line = ManifestStore(made.path.parent)
    line.commit(made.read(), parent=1, operation="review", parameters={}, data_root=dataset.data)
    with pytest.raises(UserError, match=r"expected only selections in .*clean, found v2.parquet of the operation rev"):
        dataset.select(SelectionPolicy())


# The command

Run = Callable[..., tuple[list[str], str]]


@pytest.fixture
def run(dataset: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(dataset.root)

    def run(*arguments: str) -> tuple[list[str], str]:
        main(arguments)
        captured = capsys.readouterr()
        return captured.out.splitlines(), captured.err

    return run


def test_the_command_says_what_each_key_leaves_out_and_ends_with_the_path(dataset: Dataset, run: Run) -> None:
    (dataset.root / "clean.toml").write_text('sources = ["web"]\nmax_doubt = 0.2\n')
    assert run("select", "clean.toml") == (
        [
            "manifests/v2.parquet: 1 of 5 accepted rows selected",
            "  sources = ['web'] leaves out 3",
            "  max_doubt = 0.2 leaves out 1",
            "manifests/selections/clean/v1.parquet",
        ],
        "",
    )
    assert run("show", "manifests/selections/clean/v1.parquet")[0][0].endswith("version 1, parent none, select")
    assert run("verify", "manifests/selections/clean/v1.parquet")[0][-1].endswith("every blob present and unaltered")
    log = run("log")[0]
    assert [line.split()[0] for line in log] == ["v2", "v1", "selections/clean/v1"]
    assert log[-1].endswith("select     1 rows, 1 accepted of v2.parquet")


def test_an_older_version_can_be_selected_from(dataset: Dataset, run: Run) -> None:
    (dataset.root / "all.toml").write_text("")
    assert run("select", "all.toml", "v1")[0] == [
        "manifests/v1.parquet: 3 of 3 accepted rows selected",
        "manifests/selections/all/v1.parquet",
    ]


def test_names_that_no_row_has_are_warned_of(dataset: Dataset, run: Run) -> None:
    (dataset.root / "clean.toml").write_text('sources = ["web", "wbe"]\nlicences = ["CC0", "CC-0", ""]\n')
    assert run("select", "clean.toml")[1].splitlines() == [
        "warning: clean.toml: sources: no row has 'wbe'; the rows have 'studio', 'web'",
        "warning: clean.toml: licences: no row has 'CC-0'; the rows have 'CC0'",
    ]


def test_garbage_collection_leaves_a_selection_whole(dataset: Dataset, run: Run) -> None:
    (dataset.root / "clean.toml").write_text("")
    run("select", "clean.toml")
    run("gc", "--delete")
    assert verify(Manifest.open("manifests/selections/clean/v1.parquet")) == []
