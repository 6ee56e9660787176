"""Files and directories that are there whole or not at all, whatever the length of their names."""

from pathlib import Path

import pytest

from manifests.files.atomic import filling, link_replace, replacing, temporary_beside, write_exclusive, write_replace

LONGEST = 255  # bytes of a name, on Linux's file systems


@pytest.mark.parametrize(
    "name", ["a" * 251 + ".png", "a" * LONGEST, "é" * 125 + ".jpg", f"a.{'b' * 253}", "." + "a" * 254]
)
def test_a_name_may_be_as_long_as_the_file_system_allows(name: str, tmp_path: Path) -> None:
    assert len(name.encode()) >= 253
    write_replace(tmp_path / name, b"first")
    write_replace(tmp_path / name, b"second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"second")]
    with pytest.raises(FileExistsError):
        write_exclusive(tmp_path / name, lambda temporary: temporary.write_bytes(b"third"))
    link_replace(tmp_path / "sub" / name, tmp_path / name, symbolic=False)
    assert (tmp_path / "sub" / name).read_bytes() == b"second"


def test_temporary_names_are_hidden_different_and_of_the_same_suffix(tmp_path: Path) -> None:
    names = {temporary_beside(tmp_path / "video.mp4") for _ in range(100)}
    assert len(names) == 100
    assert all(path.name.startswith(".tmp-") and path.suffix == ".mp4" and path.parent == tmp_path for path in names)


def test_a_directory_is_there_once_it_is_filled(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    with filling(tmp_path / "frames") as directory:
        (directory / "1.png").write_bytes(b"one")
        assert not list((tmp_path / "frames").iterdir())
    assert [path.name for path in tmp_path.rglob("*")] == ["frames", "1.png"]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"), filling(tmp_path / "a") as directory:
        fail(directory / "1.png")
    with pytest.raises(OSError, match="no room"), replacing(tmp_path / "b") as temporary:
        fail(temporary)
    assert not list(tmp_path.iterdir())
