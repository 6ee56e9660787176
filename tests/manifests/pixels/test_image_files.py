"""Which image files a path stands for, and that none of them is lost without a word."""

import io
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manifests.errors import UserError
from manifests.pixels.image_files import list_files, list_pictures, read_file, usable_pictures


def write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    return root


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_pictures(root)]


SUFFIXES = [
    *("jpg", "JPEG", "jpe", "jfif", "mpo", "png", "webp", "gif", "bmp", "tif", "tiff"),
    *("avif", "heic", "HEIF", "hif", "jxl", "ppm", "pgm"),
]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_image_is_known_by_its_suffix(tmp_path: Path, suffix: str) -> None:
    assert names(write(tmp_path, f"a.{suffix}", "b.txt", "c.jpg.part")) == [f"a.{suffix}"]


@pytest.mark.parametrize(
    "name", ["a", "IMG_0001", "photo.1", "Dr. Ada Lovelace", "a.jpg~", "a.jpg_large", "2024.05.01"]
)
def test_a_file_without_a_suffix_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "z.png")
    (tmp_path / "README").write_text("Photographs of people.")
    (tmp_path / "empty").write_bytes(b"")
    assert names(tmp_path) == [name, "z.png"]


def test_linked_folders_and_files_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "linked.jpg", "single.jpg")
    root = write(tmp_path / "images", "a.jpg")
    (root / "more").symlink_to(tmp_path / "elsewhere")
    (root / "b.jpg").symlink_to(tmp_path / "elsewhere/single.jpg")
    (root / "loop").symlink_to(root)
    assert names(root) == ["a.jpg", "b.jpg", "more/linked.jpg", "more/single.jpg"]


def test_a_link_that_leads_nowhere_is_listed_under_an_images_name(tmp_path: Path) -> None:
    root = write(tmp_path, "a.jpg")
    (root / "gone.jpg").symlink_to(root / "nothing.jpg")
    (root / "round.png").symlink_to(root / "round.png")
    assert names(root) == ["a.jpg", "gone.jpg", "round.png"]


def test_what_may_hide_images_is_named_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path, "a.jpg")
    (root / "more").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe.jpg")
    assert names(root) == ["a.jpg"]
    [line] = caplog.messages
    assert line.startswith("left out 2 that can't be opened (")
    assert f"{root}/more: a link that leads nowhere" in line
    assert f"{root}/pipe.jpg: a pipe or device, no file" in line
    assert set(list_files(root).closed) == {root / "more", root / "pipe.jpg"}


def test_a_link_that_was_unpacked_as_text_is_named(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "linked.jpg")
    root = write(tmp_path / "images", "a.jpg")
    (root / "more").write_text("../elsewhere")
    (root / "LICENSE").write_text("CC0")
    assert list_files(root).closed == {root / "more": "a link that was unpacked as text"}


def test_where_nothing_is_found_what_cant_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "more").symlink_to(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"found none and 1 that can't be opened \(.*more: a link that leads nowhere\)"):
        list_pictures(tmp_path)


def test_a_directory_with_an_images_name_is_a_directory(tmp_path: Path) -> None:
    assert names(write(tmp_path, "a.jpg/b.jpg", "c.jpg")) == ["a.jpg/b.jpg", "c.jpg"]
    assert list_pictures(tmp_path / "*.jpg") == [tmp_path / "c.jpg"]


def test_unreadable_and_unusable_files_are_named_and_the_rest_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write(tmp_path, "a.png", "d.png")
    (root / "b.png").symlink_to(root / "nothing.png")
    (root / "c.png").write_bytes(b"text")
    with caplog.at_level(logging.WARNING):
        assert [path.name for path, _ in usable_pictures(list_pictures(root))] == ["a.png", "d.png"]
    assert [line.split(":")[0].rpartition("/")[2] for line in caplog.messages] == ["b.png", "c.png"]
    assert "No such file or directory" in caplog.text


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match="a pipe or device, no file"):
        read_file(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match="expected a readable file"):
        read_file(tmp_path)


def test_a_file_that_cant_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a readable file, found .*x.png \(No such file or directory\)"):
        read_file(tmp_path / "x.png")
