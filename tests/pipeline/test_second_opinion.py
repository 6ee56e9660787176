"""A second opinion on pending masks: what it does to doubt, to the next version, and to the order of the queue."""

import math
from pathlib import Path

import patient_http
import pyarrow as pa
import pytest
from portrait_datasets import commit_pending, relabel
from red_network import red_is_person
from review_browser import Server

from manifests.errors import UserError
from manifests.store.manifest import ManifestStore
from manifests.store.schema import SCHEMA
from pipeline.doubt import MODELS, SECOND_OPINION, second_features
from pipeline.second_opinion import opinions as second_opinion
from pipeline.second_opinion.__main__ import main
from pipeline.teachers import load_teacher

WAITING = 6


@pytest.fixture
def store(tmp_path: Path, portraits: Path) -> ManifestStore:
    """Six portraits that wait with their true masks, but for the first in the table, which has the last one's."""
    store = commit_pending(tmp_path, portraits, [0.1] * WAITING)
    first, *_, last = store.open().read(["sample_id"])["sample_id"].to_pylist()
    relabel(store, first, mask_of=last)
    return store


def ask(store: ManifestStore) -> None:
    main(["--teacher", "starter", "--input-px", "320", "--manifests", str(store.root)])


def doubts(store: ManifestStore) -> dict[str, float]:
    rows = store.open().read(["sample_id", "doubt"]).to_pylist()
    return {row["sample_id"]: row["doubt"] for row in rows}


def test_features_by_hand() -> None:
    found = second_features(0.75, 0.9)
    assert found == {"first": pytest.approx(math.log(3)), "apart": pytest.approx(math.log(0.1))}
    assert MODELS[SECOND_OPINION].weights.keys() == found.keys()
    assert second_features(1.0, 1.0)["apart"] == pytest.approx(math.log(0.001))  # and no error


def test_the_mask_of_somebody_else_comes_first_in_the_queue(
    store: ManifestStore, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = store.open().read(["sample_id"])["sample_id"][0].as_py()
    ask(store)
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == f"{WAITING} mask(s) compared; doubt of 0.5 or more: 2, before 0"
    assert said.out.splitlines()[-1] == str(store.path(3))
    found = doubts(store)
    assert max(found, key=lambda sample_id: found[sample_id]) == wrong
    server = Server(store.root.parent)
    try:
        handed_out = patient_http.get(f"{server.url}/api/next?n=1").json()["samples"]
    finally:
        server.stop()
    assert [sample["sample_id"] for sample in handed_out] == [wrong]


def test_nothing_but_doubt_changes_and_the_version_says_who_was_asked(store: ManifestStore) -> None:
    before = store.open().read()
    ask(store)
    manifest = store.open()
    others = [name for name in SCHEMA.names if name != "doubt"]
    assert manifest.read(others).equals(before.select(others))
    assert manifest.operation == "second-opinion"
    assert manifest.parameters["network"].startswith("deeplabv3plus@")
    assert manifest.parameters["masks"] == WAITING


def test_the_same_question_again_makes_no_version(store: ManifestStore, capsys: pytest.CaptureFixture[str]) -> None:
    ask(store)
    ask(store)
    assert store.latest() == 3
    assert capsys.readouterr().out.splitlines()[-1] == str(store.path(3))


def test_verdicts_and_masks_that_changed_meanwhile_stay(store: ManifestStore) -> None:
    rows = second_opinion.pending_rows(store.open(), load_teacher("grabcut"))
    opinions = [second_opinion.Opinion(row["sample_id"], row["mask_sha256"], 0.5, 0.9) for row in rows]
    decided, redrawn = rows[0]["sample_id"], rows[1]["sample_id"]

    def decide(table: pa.Table | None, _version: int) -> pa.Table:
        changed = table.to_pylist()
        next(row for row in changed if row["sample_id"] == decided)["status"] = "accepted"
        return pa.Table.from_pylist(changed, schema=SCHEMA)

    store.update(decide, operation="review", parameters={}, data_root=store.data_root())
    relabel(store, redrawn, mask_of=rows[2]["sample_id"])
    second_opinion.commit_opinions(store, opinions, network=load_teacher("grabcut"))
    found = doubts(store)
    assert found[decided] == found[redrawn] == pytest.approx(0.1)
    assert [round(found[row["sample_id"]], 6) for row in rows[2:]] == [0.9] * (WAITING - 2)


def test_a_damaged_picture_is_named_and_the_rest_goes_on(
    store: ManifestStore, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    row = store.open().read(["sample_id", "image"]).to_pylist()[3]
    (store.data_root() / row["image"]).write_bytes(b"no picture")
    ask(store)
    assert f"skipped sample {row['sample_id']}: expected" in caplog.text
    assert capsys.readouterr().out.startswith(f"{WAITING - 1} mask(s) compared")
    assert doubts(store)[row["sample_id"]] == pytest.approx(0.1)


def test_masks_of_the_same_network_are_refused(store: ManifestStore, tmp_path: Path) -> None:
    red = red_is_person(tmp_path / "red.onnx")
    name = load_teacher(f"onnx:{red}").name

    def made_by_red(table: pa.Table | None, _version: int) -> pa.Table:
        return pa.Table.from_pylist(
            [{**row, "teacher": name, "origin": "teacher"} for row in table.to_pylist()], schema=SCHEMA
        )

    store.update(made_by_red, operation="relabel", parameters={}, data_root=store.data_root())
    with pytest.raises(UserError, match=f"found that {name} made all {WAITING}"):
        second_opinion.pending_rows(store.open(), load_teacher(f"onnx:{red}"))


def test_nothing_to_review_is_one_clear_line(store: ManifestStore) -> None:
    def accept(table: pa.Table | None, _version: int) -> pa.Table:
        return pa.Table.from_pylist([{**row, "status": "accepted"} for row in table.to_pylist()], schema=SCHEMA)

    store.update(accept, operation="review", parameters={}, data_root=store.data_root())
    with pytest.raises(UserError, match="expected pending samples"):
        ask(store)
