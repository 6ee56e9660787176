"""Files and directories that are there whole or not at all, whatever the length of their names."""

from pathlib import Path

import pytest
from faults import failing

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


def test_an_error_names_the_target_and_not_the_temporary_file(tmp_path: Path) -> None:
    with failing(tmp_path, at=1, fault="ENOSPC"), pytest.raises(OSError, match="No space left") as caught:
        write_replace(tmp_path / "a.png", b"first")
    assert caught.value.filename == str(tmp_path / "a.png")


@pytest.mark.parametrize(
    "call", [2, 3, 4, 5]
)  # mkdir of both, whose parent is missing at the first try, and two fsyncs
def test_directories_that_cant_be_made_durable_are_made_again(tmp_path: Path, call: int) -> None:
    path = tmp_path / "new" / "newer" / "a.png"
    with failing(tmp_path, at=call) as disk:
        with pytest.raises(OSError, match="Input/output error"):
            write_replace(path, b"first")
        write_replace(path, b"first")
    assert disk.calls[:5].count("mkdir") >= 2
    assert disk.unsynced == {}
