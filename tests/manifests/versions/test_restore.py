"""`restore`: an older version's rows again, as a new version; what becomes of later verdicts."""

from pathlib import Path

import pytest
from small_lineages import Lineage

from manifests.__main__ import main
from manifests.decisions.publish import NothingToPublish
from manifests.errors import UserError
from manifests.store.manifest import CommitConflict, ManifestStore
from manifests.versions.restore import restore


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """v1: samples 1 to 3 wait; v2: 1 is accepted; v3: 4 is there too; v4: 2 is rejected, and 1 as well by bo."""
    lineage = Lineage(tmp_path / "set")
    lineage.generate(1, 2, 3)
    lineage.judge({1: "accept"})
    lineage.publish()
    lineage.generate(4)
    lineage.judge({2: "reject"}, minutes=1)
    lineage.judge({1: "reject"}, reviewer="bo", minutes=2)
    lineage.publish()
    return lineage


def run(lineage: Lineage, *arguments: str) -> None:
    main([*arguments, "--manifests", str(lineage.store.root)])


def test_the_new_version_has_the_rows_of_the_old_one_and_names_it(lineage: Lineage) -> None:
    before = {path.name: path.read_bytes() for path in lineage.store.root.iterdir()}
    run(lineage, "restore", "v2")
    made, old = lineage.store.open(), lineage.store.open(2)
    assert made.read().equals(old.read())
    assert (made.version, made.parent, made.operation) == (5, 4, "restore")
    assert made.parameters == {"restored_version": 2, "restored_digest": old.digest, "taken_back": 0}
    assert {name: (lineage.store.root / name).read_bytes() for name in before} == before


def test_it_says_what_it_undoes_and_that_verdicts_come_back(lineage: Lineage, capsys: pytest.CaptureFixture) -> None:
    run(lineage, "restore", "2")
    out = capsys.readouterr().out
    assert "v4.parquet -> " in out
    assert "0 added, 1 removed, 2 re-decided, 0 re-labelled" in out
    assert "2 verdict(s) on 2 of these masks came after v2: the next publish applies them again" in out
    assert out.splitlines()[-1] == str(lineage.store.path(5))


def test_a_publish_after_a_restore_applies_the_later_verdicts_again(lineage: Lineage) -> None:
    run(lineage, "restore", "2")
    assert lineage.status([1, 2, 3]) == ["accepted", "pending", "pending"]
    assert lineage.publish().counts == {"rows": 3, "conflict": 1, "rejected": 1, "pending": 1}


def test_verdicts_taken_back_stay_away_and_their_masks_wait_again(lineage: Lineage) -> None:
    run(lineage, "restore", "2", "--take-back")
    assert lineage.store.open().parameters["taken_back"] == 2
    with pytest.raises(NothingToPublish):
        lineage.publish()
    lineage.judge({2: "accept"}, reviewer="cy", minutes=3)
    lineage.publish()
    assert lineage.status([1, 2, 3]) == ["accepted", "accepted", "pending"]


def test_verdicts_on_masks_that_the_old_version_lacks_are_left_alone(lineage: Lineage) -> None:
    lineage.judge({4: "accept"}, minutes=5)
    run(lineage, "restore", "2", "--take-back")
    lineage.generate(4)
    lineage.publish()
    assert lineage.status([2, 4]) == ["pending", "accepted"]


def test_when_the_commit_fails_no_verdict_is_taken_back(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*_: object, **__: object) -> None:
        raise CommitConflict("expected parent 4")

    log = lineage.log()
    monkeypatch.setattr(ManifestStore, "commit", overtaken)
    with pytest.raises(CommitConflict):
        restore(lineage.store, lineage.store.open(2), log, take_back=True)
    assert len([decision for decision in log.standing() if decision.is_vote]) == 3
    log.close()


def test_missing_blobs_are_refused_in_one_line(lineage: Lineage) -> None:
    gone = lineage.blobs.path(lineage.row(2)["mask"])
    gone.unlink()
    with pytest.raises(UserError, match=rf"expected the 4 blobs of v2 .* found 1 missing \(.*{gone.name}\)"):
        run(lineage, "restore", "2")
    assert lineage.store.latest() == 4


def test_a_version_of_another_directory_is_refused(lineage: Lineage, tmp_path: Path) -> None:
    other = Lineage(tmp_path / "other")
    other.generate(9)
    with pytest.raises(UserError, match=r"expected a version of .* manifests merge brings rows from elsewhere"):
        run(lineage, "restore", str(other.store.path(1)))


@pytest.mark.parametrize("version", ["4", "v4"])
def test_what_the_latest_version_holds_already_is_refused(lineage: Lineage, version: str) -> None:
    with pytest.raises(UserError, match="nothing to restore"):
        run(lineage, "restore", version)


def test_a_log_that_is_elsewhere_is_asked_for(lineage: Lineage) -> None:
    (lineage.root / "data/decisions.sqlite3").rename(lineage.root / "log.sqlite3")
    with pytest.raises(UserError, match="pass --database-url"):
        run(lineage, "restore", "2")
    run(lineage, "restore", "2", "--database-url", f"sqlite:///{lineage.root / 'log.sqlite3'}")
    assert lineage.store.latest() == 5
