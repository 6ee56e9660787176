"""The files below a directory: links to folders, loops of them, and folders that can't be opened."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manifests.files.walk import walk_files


def write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def found(root: Path, **options: Any) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk_files(root, **options).files]


def close(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Deny listing `folder`, to the tests' user whoever that is."""
    real_scandir = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_linked_folders_are_entered_and_keep_the_links_name(tmp_path: Path) -> None:
    root = write(tmp_path / "a", "x", "deep/er/y")
    write(tmp_path / "elsewhere", "z", "deep/z")
    (root / "deep/more").symlink_to(tmp_path / "elsewhere")
    assert found(root) == ["deep/er/y", "deep/more/deep/z", "deep/more/z", "x"]


@pytest.mark.parametrize("target", [".", "..", "deep"])
def test_a_link_to_what_is_listed_already_adds_nothing_and_ends(tmp_path: Path, target: str) -> None:
    root = write(tmp_path / "a", "x", "deep/y")
    (root / "deep/again").symlink_to(root / target)
    (root / "again").symlink_to(root / target)
    assert found(root) == ["deep/y", "x"]


def test_two_linked_folders_that_hold_each_other_end(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        write(tmp_path / one, one)
        (tmp_path / one / "link").symlink_to(tmp_path / other)
    assert found(tmp_path / "a") == ["a", "link/b"]


def test_a_directory_that_is_a_link_itself_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "a", "x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert found(tmp_path / "link") == ["x"]


def test_links_that_lead_nowhere_count_as_files(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert found(tmp_path) == ["gone", "round"]


def test_hidden_names_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    write(tmp_path, ".a", ".b/c", "d/.e", "f")
    assert found(tmp_path) == ["f"]
    assert found(tmp_path, hidden=True) == [".a", ".b/c", "d/.e", "f"]


def test_a_folder_that_cant_be_opened_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/x", "closed/y")
    close(monkeypatch, tmp_path / "closed")
    walk = walk_files(tmp_path)
    assert walk.files == [tmp_path / "a/x"]
    assert walk.closed == {tmp_path / "closed": "Permission denied"}
