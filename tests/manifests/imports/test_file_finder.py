"""Names out of third-party lists: absolute ones, accents in either form, and what is a line."""

import logging
import unicodedata
from pathlib import Path

import pytest
from imported_masks import refusal

from manifests.imports.error_list import Problems
from manifests.imports.file_finder import FileFinder
from manifests.imports.pairing import find_pairs
from manifests.imports.safe_paths import file_inside, lines_of

NAMES = ("p0.jpg", "train/p1.jpg", "train/p2.jpg", "val/p2.jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("C:\\data\\images\\p0.jpg", "p0.jpg"),
        ("c:/data/p1.jpg", "train/p1.jpg"),
        ("\\\\server\\share\\train\\p2.jpg", "train/p2.jpg"),
        ("/home/ada/images/val/p2.jpg", "val/p2.jpg"),
        ("/home/ada/images/train/p1.jpg", "train/p1.jpg"),
        ("train/p2.jpg", "train/p2.jpg"),
        ("train\\p2.jpg", "train/p2.jpg"),
    ],
)
def test_the_file_is_the_only_one_whose_path_ends_most_like_the_name(root: Path, name: str, found: str) -> None:
    assert FileFinder(root).find(name) == root / found


def test_absolute_names_are_named_with_what_they_were_taken_for(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    finder = FileFinder(root)
    finder.find(str(root / "p0.jpg"))  # stands there as it says
    finder.note()
    assert caplog.messages == []
    finder.find("C:\\data\\p1.jpg")
    with caplog.at_level(logging.WARNING):
        finder.note()
    assert caplog.messages == [
        f"1 absolute names that were found by their ends (C:\\data\\p1.jpg is {root}/train/p1.jpg)"
    ]


def test_a_name_that_fits_none_or_several_is_refused_with_a_way_on(root: Path) -> None:
    find = FileFinder(root).find
    assert "no such file below" in refusal(find, "/etc/passwd")
    assert "give the directory of the images as --images" in refusal(find, "D:\\gone.jpg")
    message = refusal(find, "D:\\photos\\p2.jpg")
    assert "which may be train/p2.jpg and val/p2.jpg" in message
    assert "or write names relative to it" in message
    assert "found '/'" in refusal(find, "/")


def test_two_names_are_never_one_file(root: Path) -> None:
    find = FileFinder(root).find
    assert find("/a/train/p1.jpg") == find("/a/train/p1.jpg")
    assert "'/a/train/p1.jpg' and '/a/val/p1.jpg'" in refusal(find, "/a/val/p1.jpg")


def test_a_match_behind_a_link_out_of_the_directory_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (root / "secret.jpg").symlink_to(tmp_path / "secret.jpg")
    assert "found a link to" in refusal(FileFinder(root).find, "/x/secret.jpg")


def test_a_list_of_problems_names_those_and_notes_the_others(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    problems = Problems()
    assert problems.find(root, "C:\\p0.jpg") == root / "p0.jpg"
    problems.check("a sound list")
    assert "1 absolute names" in caplog.text
    assert problems.find(root, "C:\\gone.jpg") is None
    assert "1 unusable file names" in refusal(problems.check, "a sound list")


@pytest.mark.parametrize("there", ["NFC", "NFD"])
@pytest.mark.parametrize("named", ["NFC", "NFD"])
def test_accents_count_in_either_form(tmp_path: Path, there: str, named: str) -> None:
    name = "Zo\u00eb/Andr\u00e9.jpg"
    path = tmp_path / unicodedata.normalize(there, name)  # type: ignore[arg-type]
    path.parent.mkdir()
    path.write_bytes(b"x")
    stated = unicodedata.normalize(named, name)  # type: ignore[arg-type]
    assert file_inside(tmp_path, stated) == path
    assert FileFinder(tmp_path).find(f"/home/{stated}") == path


def test_pairs_are_found_in_either_form(tmp_path: Path) -> None:
    for folder, form, suffix in (("images", "NFC", "jpg"), ("masks", "NFD", "png")):
        path = tmp_path / folder / unicodedata.normalize(form, f"Andr\u00e9.{suffix}")  # type: ignore[arg-type]
        path.parent.mkdir()
        path.write_bytes(b"x")
    [pair] = find_pairs(tmp_path / "images", tmp_path / "masks")
    assert (pair.image.suffix, pair.mask.suffix) == (".jpg", ".png")


def test_only_line_feeds_and_carriage_returns_end_a_line() -> None:
    text = "a\u2028b\nc\u0085d\r\ne\x0bf\rg\x0ch\x1ci"
    assert lines_of(text) == ["a\u2028b", "c\u0085d", "e\x0bf", "g\x0ch\x1ci"]
