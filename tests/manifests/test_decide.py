"""`decide`: FiftyOne's tags come back as decisions, each on one exact mask; what can't be one is named."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from export_rows import commit_rows

from manifests.__main__ import main
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.errors import UserError
from manifests.store.manifest import Manifest, ManifestStore

# A sample as FiftyOne 1.22.1 writes it: `export` of a dataset that it loaded from ours, with one tag more
WRITTEN: dict[str, Any] = {
    "_id": {"$oid": "453d622f3f2a69df81d68632"},
    "_media_type": "image",
    "_rand": 0.27046788833104074,
    "created_at": {"$date": "2026-11-29T21:46:28.591Z"},
    "last_modified_at": {"$date": "2026-11-29T21:46:29.369Z"},
    "_dataset_id": {"$oid": "6b0c9d33d7f9431565000de6"},
}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return commit_rows(tmp_path)


def row_of(manifest: Manifest, uri: str) -> dict[str, Any]:
    return next(row for row in manifest.read().to_pylist() if row["source_uri"] == uri)


def tagged(manifest: Manifest, folder: Path, tags: dict[str, Sequence[str]], **changes: Any) -> Path:
    """FiftyOne's export of the samples of these sources, with these tags."""
    samples = []
    for uri, own in tags.items():
        row = row_of(manifest, uri)
        fields = {"filepath": f"data/{uri}", "tags": [row["split"], *own]}
        samples.append(WRITTEN | fields | {name: row[name] for name in ("sample_id", "mask_sha256")} | changes)
    folder.mkdir(exist_ok=True)
    (folder / "samples.json").write_text(json.dumps({"samples": samples}))
    return folder


def decide(tmp_path: Path, folder: Path, *arguments: str) -> None:
    where = ["--manifests", str(tmp_path / "manifests")]
    main(["decide", "fiftyone", str(folder), "--reviewer", "ada", *where, *arguments])


def standing(manifest: Manifest) -> list[Decision]:
    with closing(DecisionLog(sqlite_url(manifest.data_root))) as log:
        return log.standing()


def test_tags_are_the_reviewers_decisions_and_the_next_version(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tagged(manifest, tmp_path / "back", {"f.jpg": ["accept"], "g.jpg": [], "d.jpg": ["reject", "hair"]})
    decide(tmp_path, folder)
    assert capsys.readouterr().out.startswith("1 accepts and 1 rejects stored for ada, 0 known; ")
    assert [(each.verdict, each.reviewer) for each in standing(manifest)] == [("accept", "ada"), ("reject", "ada")]
    main(["publish", "--manifests", str(tmp_path / "manifests")])
    latest = ManifestStore(tmp_path / "manifests").open()
    assert [row_of(latest, uri)["status"] for uri in ("f.jpg", "g.jpg", "d.jpg")] == [
        "accepted", "rejected", "rejected",
    ]  # fmt: skip
    assert row_of(latest, "d.jpg")["reviewers"] == ["ada"]


def test_the_same_tags_again_store_nothing_and_a_changed_one_counts(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for tag in ("accept", "accept", "reject", "accept"):
        decide(tmp_path, tagged(manifest, tmp_path / "back", {"f.jpg": [tag]}))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "1 accepts and 0 rejects stored for ada, 0 known",
        "0 accepts and 0 rejects stored for ada, 1 known",
        "0 accepts and 1 rejects stored for ada, 0 known",
        "1 accepts and 0 rejects stored for ada, 0 known",
    ]
    assert [each.verdict for each in standing(manifest)] == ["accept", "reject", "accept"]


def test_tags_have_the_names_that_are_given(manifest: Manifest, tmp_path: Path) -> None:
    folder = tagged(manifest, tmp_path / "back", {"f.jpg": ["good"], "g.jpg": ["bad", "accept"]})
    decide(tmp_path, folder, "--accept-tag", "good", "--reject-tag", "bad")
    assert [each.verdict for each in standing(manifest)] == ["accept", "reject"]


def test_masks_that_take_no_verdict_are_left_out_by_name(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(tmp_path, tagged(manifest, tmp_path / "back", {"f.jpg": ["accept"]}, mask_sha256="ab" * 32))
    assert f"left out 1 samples that have another mask now ({row_of(manifest, 'f.jpg')['sample_id']})" in (
        capsys.readouterr().err
    )
    decide(tmp_path, tagged(manifest, tmp_path / "back", {"f.jpg": ["accept"]}, sample_id="cd" * 16))
    assert f"left out 1 samples that the version doesn't hold ({'cd' * 16})" in capsys.readouterr().err
    assert standing(manifest) == []


def test_ground_truth_and_pairs_take_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = commit_rows(tmp_path)
    table = manifest.read()
    rows = table.to_pylist()
    rival = {"rival_mask_sha256": "ef" * 32, "rival_teacher": "a@0123456789ab", "rival_iou": 0.5, "rival_doubt": 0.5}
    for row in rows:
        row |= {"c.jpg": {"origin": "ground_truth"}, "f.jpg": rival}.get(row["source_uri"], {})
    table = pa.Table.from_pylist(rows, table.schema)
    ManifestStore(tmp_path / "manifests").commit(
        table, parent=manifest.version, operation="import", parameters={}, data_root=tmp_path / "data"
    )
    decide(tmp_path, tagged(manifest, tmp_path / "back", {"c.jpg": ["reject"], "f.jpg": ["accept"]}))
    errors = capsys.readouterr().err
    assert "left out 1 samples of ground truth, which take no verdicts" in errors
    assert "left out 1 samples with two masks to choose from" in errors
    assert standing(manifest) == []


@pytest.mark.parametrize(
    ("tags", "changes", "message"),
    [
        ({"f.jpg": ["accept", "reject"]}, {}, r"expected accept or reject on a sample, found both on 1 samples \(data"),
        ({"f.jpg": ["keep"]}, {}, r"expected samples with the tag accept or reject .*, found keep, train; name the"),
        ({"f.jpg": ["accept"]}, {"sample_id": None}, r"wrote, .* found 1 tagged samples without them \(data/f.jpg\)"),
        ({"f.jpg": ["accept"]}, {"mask_sha256": "x" * 64}, r"found 1 tagged samples without them"),
        ({}, {}, r"expected a list of samples in .*samples.json, found none"),
        (
            {"f.jpg": ["accept"], "g.jpg": ["reject"]},
            {"sample_id": "ab" * 16, "mask_sha256": "ab" * 32},
            "found both on 1 samples",
        ),
    ],
)
def test_tags_without_one_meaning_are_refused_and_nothing_is_stored(
    manifest: Manifest, tmp_path: Path, tags: dict[str, list[str]], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        decide(tmp_path, tagged(manifest, tmp_path / "back", tags, **changes))
    assert not (manifest.data_root / "decisions.sqlite3").exists()


def test_a_name_that_marks_a_program_is_no_reviewer(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a --reviewer of letters, .* found 'x \(merge\)'"):
        decide(tmp_path, tagged(manifest, tmp_path / "back", {"f.jpg": ["accept"]}), "--reviewer", "x (merge)")
    assert standing(manifest) == []


def test_a_directory_without_samples_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected the samples of a FiftyOne dataset at .*samples.json, found no file"):
        decide(tmp_path, tmp_path / "data")
