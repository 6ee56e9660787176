"""What `--images` may be: files, file systems, tars, lists of URLs; each picture can travel, be read, be told apart."""

import csv
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations
from hostile_files import write_foreign_name
from picture_server import PictureServer, serve
from PIL import Image
from repository import ROOT

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore
from pipeline import quarantine
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import process_shard, read_quarantine, read_rows
from pipeline.quarantine import UNREADABLE, Unusable
from pipeline.sources import Origins, Picture, default_source, find_pictures, limits, remote, tars, unread_files
from pipeline.sources.limits import MAX_PICTURE_BYTES, FetchRules
from pipeline.sources.remote import PACKAGES, RemoteFile
from pipeline.sources.tars import TarMember, expand_ranges
from pipeline.sources.web.url_list import list_web_pictures
from pipeline.teachers import load_teacher

NOBODY = "http://127.0.0.1:1"  # nothing listens there


class CountingFileSystem(MemoryFileSystem):
    """A file system in memory that tells which bytes were read, and like SFTP leaves the host out of its paths."""

    protocol = "counting"
    store: dict = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    reads: list[tuple[str, int | None, int | None]] = []  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        inside = path.partition("://")[2].partition("/")[2] if "://" in path else path
        return super()._strip_protocol("/" + inside)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: object) -> bytes:
        self.reads.append((path, start, end))
        if path.endswith("broken.jpg"):
            raise RuntimeError("the library's own error")
        return super().cat_file(path, start=start, end=end, **options)


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """Empty: other modules' tests in this process may have left files."""
    fs = fsspec.filesystem("memory")
    _empty(fs)
    yield fs
    _empty(fs)


def _empty(fs: MemoryFileSystem) -> None:
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.fixture
def counting() -> Iterator[CountingFileSystem]:
    fsspec.register_implementation("counting", CountingFileSystem, clobber=True)
    yield CountingFileSystem()
    CountingFileSystem.store.clear()
    CountingFileSystem.pseudo_dirs[:] = [""]
    CountingFileSystem.reads.clear()


@pytest.fixture(scope="module")
def portrait(astronaut: Image.Image) -> bytes:
    buffer = io.BytesIO()
    astronaut.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_tar(path: Path, members: dict[str, bytes], **options: object) -> Path:
    path.write_bytes(tar_bytes(members, **options))
    return path


def tar_bytes(members: dict[str, bytes], **options: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def uris(pictures: list[Picture]) -> list[str]:
    return [picture.uri for picture in pictures]


# --- file systems ---


def test_links_are_followed_and_what_cant_be_read_goes_to_quarantine_by_name(tmp_path: Path) -> None:
    images, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    for directory, name in ((images, "a.jpg"), (elsewhere, "linked.jpg")):
        directory.mkdir()
        (directory / name).write_bytes(b"x")
    (images / "more").symlink_to(elsewhere)
    for name in ("gone", "gone.jpg"):
        (images / name).symlink_to(tmp_path / "nothing")
    (images / "mem.png").symlink_to("/proc/self/mem")  # no bytes of it can be had
    os.mkfifo(images / "pipe.jpg")
    found = {picture.uri.removeprefix(f"{images}/"): picture for picture in find_pictures(str(images))}
    assert set(found) == {"a.jpg", "gone", "gone.jpg", "mem.png", "more/linked.jpg", "pipe.jpg"}
    for name in ("gone", "gone.jpg", "mem.png", "pipe.jpg"):
        with pytest.raises(Unusable) as caught:
            found[name].read()
        assert (caught.value.reason, found[name].fingerprint()) == (UNREADABLE, None)


def test_a_file_systems_directory_is_listed_without_hidden_and_other_files(memory: MemoryFileSystem) -> None:
    names = ["b.jpg", "a.PNG", "sub/c.webp", ".hidden.jpg", ".thumbs/d.jpg", "notes.txt", "e.jpg.part"]
    memory.pipe({f"/people/{name}": name.encode() for name in names})
    pictures = find_pictures("memory://people")
    assert uris(pictures) == ["memory://people/a.PNG", "memory://people/b.jpg", "memory://people/sub/c.webp"]
    assert [picture.read() for picture in pictures] == [b"a.PNG", b"b.jpg", b"sub/c.webp"]
    assert uris(find_pictures("memory://people/")) == uris(pictures)
    assert uris(find_pictures("memory://")) == uris(pictures)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ("memory://people/*.jpg", ["memory://people/a.jpg"]),
        ("memory://people/**/*.jpg", ["memory://people/a.jpg", "memory://people/sub/b.jpg"]),
        ("memory://people/s?b/[ab].jpg", ["memory://people/sub/b.jpg"]),
        ("memory://people/a.jpg", ["memory://people/a.jpg"]),
        ("memory://people/photo", ["memory://people/photo"]),  # one file is taken whatever its suffix
    ],
)
def test_a_file_systems_glob_or_file_is_listed(memory: MemoryFileSystem, images: str, expected: list[str]) -> None:
    memory.pipe({f"/people/{name}": b"x" for name in ("a.jpg", "sub/b.jpg", ".c.jpg", "sub/.d.jpg", "photo")})
    assert uris(find_pictures(images)) == expected


@pytest.mark.parametrize("images", ["memory://people", "memory://nowhere", "memory://people/*.jpg"])
def test_nothing_in_a_file_system_is_one_line(memory: MemoryFileSystem, images: str) -> None:
    memory.pipe("/people/notes.txt", b"")
    with pytest.raises(UserError, match=rf"^expected .*{images.partition('*')[0]}.*, found.*; "):
        find_pictures(images)


def test_a_remote_pictures_fingerprint_follows_its_bytes_and_reads_none(counting: CountingFileSystem) -> None:
    counting.pipe("/people/a.jpg", b"one")
    [picture] = find_pictures("counting://host/people")
    first = picture.fingerprint()
    assert first is not None
    assert picture.fingerprint() == first
    counting.pipe("/people/a.jpg", b"two!")
    assert picture.fingerprint() not in (None, first)
    assert counting.reads == []
    counting.rm("/people/a.jpg")
    assert picture.fingerprint() is None
    with pytest.raises(Unusable, match="FileNotFoundError"):
        picture.read()


def test_the_uri_names_the_host_where_paths_leave_it_out(counting: CountingFileSystem) -> None:
    counting.pipe("/people/a.jpg", b"x")
    for images in ("counting://host/people", "counting://host/", "counting://host", "counting://host/*/*.jpg"):
        assert uris(find_pictures(images)) == ["counting://host/people/a.jpg"]


def test_what_a_file_system_raises_is_the_pictures_reason(counting: CountingFileSystem) -> None:
    counting.pipe("/people/broken.jpg", b"x")
    [picture] = find_pictures("counting://host/people")
    with pytest.raises(Unusable) as caught:
        picture.read()
    assert caught.value.reason == quarantine.UNREADABLE
    assert caught.value.detail == "found RuntimeError: the library's own error"


def test_a_remote_file_of_absurd_size_is_not_read(
    counting: CountingFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_PICTURE_BYTES", 10)
    counting.pipe({"/people/big.jpg": b"x" * 11, "/people/fits.jpg": b"x" * 10})
    big, fits = find_pictures("counting://host/people")
    with pytest.raises(Unusable) as caught:
        big.read()
    assert caught.value.reason == quarantine.TOO_LARGE
    assert counting.reads == []
    assert len(fits.read()) == 10


@pytest.mark.parametrize("protocol", PACKAGES)
def test_a_missing_package_is_named(protocol: str) -> None:
    module = known_implementations[protocol]["class"].partition(".")[0]
    needed = PACKAGES[protocol] if module == "fsspec" else module
    if find_spec(needed):
        pytest.skip(f"{needed} is installed")
    with pytest.raises(UserError, match=rf"found none; pip install {PACKAGES[protocol]}$"):
        find_pictures(f"{protocol}://bucket/people")


def test_a_protocol_nobody_knows_is_one_line() -> None:
    with pytest.raises(UserError, match=r"expected a file system for gopher://host/people, found ValueError"):
        find_pictures("gopher://host/people")


@pytest.mark.parametrize(
    "images",
    [
        "sftp://me:hunter2@host/people",
        "https://me:hunter2@host/a.jpg",
        "https://host/a.jpg?X-Amz-Signature=hunter2",
        "ftp://me:hunter2@host/list.csv",
        "ftp://me:hunter2@host/a.tar",
    ],
)
def test_a_password_in_the_parameter_is_refused_and_not_repeated(images: str) -> None:
    with pytest.raises(UserError, match="without password or token") as caught:
        find_pictures(images)
    assert "hunter2" not in str(caught.value)


def test_chained_urls_are_refused() -> None:
    with pytest.raises(UserError, match="expected a plain URL"):
        find_pictures("simplecache::memory://people")


def test_a_files_name_opens_no_other_file_system() -> None:
    picture = RemoteFile("memory://people/a::file:///etc/b.jpg")
    with pytest.raises(Unusable, match="expected a plain URL"):
        picture.read()
    assert picture.fingerprint() is None


def test_a_file_url_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert find_pictures(f"file://{tmp_path}") == find_pictures(str(tmp_path)) == [Picture(tmp_path / "a.jpg")]


@pytest.mark.parametrize("images", ["memory://people", "people.tar", "people.csv", "https://host/a.jpg"])
def test_masks_go_with_files_of_this_machine_alone(tmp_path: Path, images: str) -> None:
    with pytest.raises(UserError, match="expected directories of this machine beside masks"):
        find_pictures(images, str(tmp_path))


# --- tars ---


def test_a_tars_pictures_are_read_where_they_lie(tmp_path: Path) -> None:
    members = {"people/1.jpg": b"one" * 300, "people/1.txt": b"a caption", "people/2.PNG": b"two", "3.json": b"{}"}
    tar = write_tar(tmp_path / "photos.tar", members)
    pictures = find_pictures(str(tar))
    assert uris(pictures) == [f"{tar}!/people/1.jpg", f"{tar}!/people/2.PNG"]
    assert [picture.read() for picture in pictures] == [b"one" * 300, b"two"]
    assert list(tmp_path.iterdir()) == [tar]


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_format_is_read(tmp_path: Path, tar_format: int) -> None:
    long_name = f"{'d' * 60}/{'f' * 80}.jpg"
    tar = write_tar(tmp_path / "a.tar", {long_name: b"one", "b.jpg": b"two"}, format=tar_format)
    assert [(picture.uri, picture.read()) for picture in find_pictures(str(tar))] == [
        (f"{tar}!/{long_name}", b"one"),
        (f"{tar}!/b.jpg", b"two"),
    ]


def test_a_json_beside_a_picture_states_its_license(tmp_path: Path) -> None:
    said = {
        "1": {"license": "CC BY 4.0", "attribution": "Jane", "url": "https://host/1.jpg"},
        "2": {"license": 4, "attribution": None, "url": "https://me:secret@host/2.jpg?token=secret"},
        "3": {"width": 7, "license": ""},
        "5": {"license": "half a \ud83d"},
    }
    members = {f"p/{key}.json": json.dumps(value).encode() for key, value in said.items()}
    members |= {f"p/{key}.jpg": b"x" for key in "12345"} | {"p/1.face.png": b"x", "1.jpg": b"x"}
    pictures = find_pictures(str(write_tar(tmp_path / "a.tar", members)))
    assert {picture.uri.partition("!/")[2]: (picture.license, picture.attribution) for picture in pictures} == {
        "p/1.jpg": ("CC BY 4.0", "Jane"),
        "p/2.jpg": ("4", "https://host/2.jpg"),
        "p/3.jpg": (None, None),
        "p/4.jpg": (None, None),
        "p/5.jpg": ("half a \\ud83d", None),
        "p/1.face.png": ("CC BY 4.0", "Jane"),
        "1.jpg": (None, None),
    }


@pytest.mark.parametrize("said", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b" " * (2**20 + 1)])
def test_a_json_that_is_none_is_named(tmp_path: Path, said: bytes) -> None:
    tar = write_tar(tmp_path / "a.tar", {"1.jpg": b"x", "1.json": said})
    with pytest.raises(UserError, match=r"^expected .* in .*a\.tar!/1\.json, found"):
        find_pictures(str(tar))


def test_a_range_or_a_glob_of_tars_is_read_in_order(tmp_path: Path) -> None:
    for number in (8, 9, 10):
        write_tar(tmp_path / f"photos-{number:03}.tar", {f"{number}.jpg": b"x"})
    expected = [f"{tmp_path}/photos-{number:03}.tar!/{number}.jpg" for number in (8, 9, 10)]
    assert uris(find_pictures(f"{tmp_path}/photos-{{008..010}}.tar")) == expected
    assert uris(find_pictures(f"{tmp_path}/*.tar")) == expected
    with pytest.raises(UserError, match=r"expected a tar at .*photos-011\.tar, found nothing there"):
        find_pictures(f"{tmp_path}/photos-{{008..011}}.tar")
    with pytest.raises(UserError, match=r"expected tars at .*none-\*\.tar, found none"):
        find_pictures(f"{tmp_path}/none-*.tar")


def test_ranges_are_written_out() -> None:
    assert expand_ranges("a.tar") == ["a.tar"]
    assert expand_ranges("{8..10}.tar") == ["8.tar", "9.tar", "10.tar"]
    assert expand_ranges("{0..1}-{00..01}.tar") == ["0-00.tar", "0-01.tar", "1-00.tar", "1-01.tar"]
    for endless in ("{0..999999999}.tar", "{5..4}.tar", "{0..999}/{0..999}.tar"):
        with pytest.raises(UserError, match="expected"):
            expand_ranges(endless)


def test_a_remote_tar_is_read_by_ranges(counting: CountingFileSystem) -> None:
    counting.pipe({f"/shards/{number}.tar": tar_bytes({"a.jpg": b"a" * 700, "b.jpg": b"bb"}) for number in (0, 1)})
    pictures = find_pictures("counting://host/shards/{0..1}.tar")
    assert uris(pictures) == [f"counting://host/shards/{n}.tar!/{m}.jpg" for n in (0, 1) for m in "ab"]
    assert uris(find_pictures("counting://host/shards/*.tar")) == uris(pictures)
    assert counting.reads == []
    assert pictures[3].read() == b"bb"
    assert counting.reads == [("/shards/1.tar", 512 + 1024 + 512, 512 + 1024 + 512 + 2)]
    first = [picture.fingerprint() for picture in pictures]
    assert len(set(first)) == 4
    counting.pipe("/shards/1.tar", tar_bytes({"a.jpg": b"c" * 700, "b.jpg": b"cc", "c.jpg": b""}))
    again = [picture.fingerprint() for picture in pictures]
    assert again[:2] == first[:2]
    assert not set(again[2:]) & set(first)
    assert uris(find_pictures("counting://host/shards/1.tar"))[2:] == ["counting://host/shards/1.tar!/c.jpg"]


def test_reading_a_member_looks_at_no_other(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"a.jpg": b"a" * 700, "b.jpg": b"bb"})
    a, b = find_pictures(str(tar))
    first = [a.fingerprint(), b.fingerprint()]
    data = bytearray(tar.read_bytes())
    data[:1536] = os.urandom(1536)  # the first member and its header
    tar.write_bytes(data)
    assert b.read() == b"bb"
    assert b.fingerprint() == first[1]
    assert a.fingerprint() != first[0]


def test_a_tar_that_went_away_or_shrank_is_the_pictures_reason(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"a.jpg": b"a" * 700})
    [picture] = find_pictures(str(tar))
    tar.write_bytes(tar.read_bytes()[:600])
    with pytest.raises(Unusable, match="the tar has changed"):
        picture.read()
    tar.unlink()
    assert picture.fingerprint() is None
    with pytest.raises(Unusable, match="No such file") as caught:
        picture.read()
    assert caught.value.reason == quarantine.UNREADABLE


def test_a_member_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(Unusable) as caught:
        TarMember(tmp_path / "a.tar", "a.jpg", 512, MAX_PICTURE_BYTES + 1).read()
    assert caught.value.reason == quarantine.TOO_LARGE


def header(name: str = "a.jpg", size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def damaged_tars() -> dict[str, bytes]:
    whole = tar_bytes({"a.jpg": b"a" * 700, "b.jpg": b"b" * 700, "c.jpg": b"c"})
    return {
        "empty": b"",
        "no tar": b"this is no tar" * 100,
        "compressed": b"\x1f\x8b" + whole,
        "cut in a picture": whole[:1000],
        "cut in a header": whole[: 512 + 1024 + 100],
        "cut between two members": whole[: 512 + 1024],
        "damaged header in the middle": whole[: 512 + 1024] + os.urandom(512) + whole[512 + 1024 + 512 :],
        "a size beyond the end": header(size=2**40) + bytes(2048),
        "a size below zero": header() + header(size=-1024) + bytes(2048),
        "a name below zero": header(size=-512, kind=tarfile.GNUTYPE_LONGNAME) + bytes(2048),
        "an endless name": header(size=2**36, kind=tarfile.GNUTYPE_LONGNAME) + bytes(2048),
        "an extension that is none": header(size=512, kind=tarfile.XHDTYPE) + b"\xff" * 512 + bytes(1024),
    }


@pytest.mark.parametrize("damage", damaged_tars())
def test_a_damaged_tar_is_one_line_that_names_it(tmp_path: Path, damage: str) -> None:
    tar = tmp_path / "a.tar"
    tar.write_bytes(damaged_tars()[damage])
    with pytest.raises(UserError, match=rf"^expected a whole tar without compression at {tar}, found"):
        find_pictures(str(tar))


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar.zst", "{0..3}.TAR.XZ"])
def test_compressed_tars_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"^expected a tar without compression, found .*; unpack it"):
        find_pictures(name)


def test_a_tar_without_pictures_is_one_line(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"a.txt": b"x"})
    with pytest.raises(UserError, match=r"^expected images .* in .*a\.tar, found none"):
        find_pictures(str(tar))


def test_links_directories_and_names_without_a_text_do_no_harm(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind in (("d.jpg", tarfile.DIRTYPE), ("l.jpg", tarfile.SYMTYPE), ("p.jpg", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        for name in ("../../outside.jpg", os.fsdecode(b"caf\xe9.jpg")):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    tar = tmp_path / "a.tar"
    tar.write_bytes(buffer.getvalue())
    assert uris(find_pictures(str(tar))) == [f"{tar}!/../../outside.jpg", f"{tar}!/caf\\xe9.jpg"]


def test_of_two_members_with_one_name_the_later_counts(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"a.jpg": b"old"})
    with tarfile.open(tar, "a") as archive:
        member = tarfile.TarInfo("a.jpg")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"new"))
    [picture] = find_pictures(str(tar))
    assert picture.read() == b"new"


def test_a_tar_is_listed_once_and_again_when_it_changes(tmp_path: Path) -> None:
    tars._pictures_in.cache_clear()
    tar = write_tar(tmp_path / "a.tar", {"a.jpg": b"x"})
    assert find_pictures(str(tar)) == find_pictures(str(tar))
    assert tars._pictures_in.cache_info().misses == 1
    write_tar(tar, {"a.jpg": b"x", "b.jpg": b"x", "c.jpg": b"x" * 9999})
    assert len(find_pictures(str(tar))) == 3


# --- lists of URLs ---


def write_list(path: Path, rows: list[dict[str, str | None]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_list_has_a_url_a_line_whatever_else_separates_text(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(f"{NOBODY}/a\u2028b.jpg\r\n{NOBODY}/c\u0085d.jpg\n".encode())
    assert uris(find_pictures(str(tmp_path / "list.txt"))) == [f"{NOBODY}/a\u2028b.jpg", f"{NOBODY}/c\u0085d.jpg"]


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_a_table_of_urls_states_license_and_attribution(tmp_path: Path, name: str) -> None:
    rows = [
        {"id": "1", "URL": f"{NOBODY}/1.jpg", "license": "CC0", "attribution": 'Müller, "J"'},
        {"id": "2", "URL": f"{NOBODY}/2.jpg", "license": None, "attribution": ""},
        {"id": "3", "URL": None, "license": "CC0", "attribution": None},
        {"id": "4", "URL": f"{NOBODY}/1.jpg", "license": "another", "attribution": None},
    ]
    pictures = find_pictures(str(write_list(tmp_path / name, rows)))
    assert [(picture.uri, picture.license, picture.attribution) for picture in pictures] == [
        (f"{NOBODY}/1.jpg", "CC0", 'Müller, "J"'),
        (f"{NOBODY}/2.jpg", None, None),
    ]


def test_a_text_of_urls_is_read_line_by_line(tmp_path: Path) -> None:
    text = f"\ufeff# photographs\r\n{NOBODY}/b.jpg\r\n\r\n  {NOBODY}/a.jpg  \n # {NOBODY}/c.jpg\n{NOBODY}/b.jpg"
    (tmp_path / "list.TXT").write_text(text, newline="")
    assert uris(find_pictures(str(tmp_path / "list.TXT"))) == [f"{NOBODY}/b.jpg", f"{NOBODY}/a.jpg"]


def test_a_list_may_lie_in_a_file_system(memory: MemoryFileSystem) -> None:
    memory.pipe("/lists/people.txt", f"{NOBODY}/a.jpg".encode())
    assert uris(find_pictures("memory://lists/people.txt")) == [f"{NOBODY}/a.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"# nothing\n\n", r"expected URLs in .*a\.txt, found none"),
        ("a.csv", b"url,license\n", r"expected URLs in .*a\.csv, found none"),
        ("a.csv", b"", r"expected a column url in .*a\.csv, found none"),
        ("a.csv", b"link,license\nx,y\n", r"expected a column url in .*a\.csv, found link, license"),
        ("a.csv", b'url\n"http://host/\n', r"expected CSV in .*a\.csv, found in line 1: unexpected end"),
        ("a.csv", b"url\n" + b"x" * 200_000, r"expected CSV in .*a\.csv, found in line"),
        ("a.parquet", b"PAR1 this is none PAR1", r"expected a Parquet file at .*a\.parquet, found"),
        ("b.txt", None, r"expected a file at .*b\.txt, found FileNotFoundError"),
    ],
)
def test_a_list_that_is_none_is_one_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        find_pictures(str(tmp_path / name))


def test_a_list_whose_columns_name_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    write_foreign_name(pa.table({"url": [f"{NOBODY}/a.jpg"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"expected a Parquet file at .*a\.parquet, found"):
        find_pictures(str(tmp_path / "a.parquet"))


def test_a_web_picture_is_known_by_its_url_without_credentials(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("http://me:secret@127.0.0.1:1/a.jpg?id=3&token=secret")
    [picture] = find_pictures(str(tmp_path / "list.txt"))
    assert picture.uri == picture.fingerprint() == f"{NOBODY}/a.jpg?id=3"


def test_a_lone_web_address_is_a_picture_and_no_list() -> None:
    assert uris(find_pictures("https://host.test/a.jpg")) == ["https://host.test/a.jpg"]
    for elsewhere in ("https://host.test/a.tar", "https://host.test/list.csv"):
        with pytest.raises(UserError, match="download it first"):
            find_pictures(elsewhere)


# --- all kinds ---


def test_every_kind_of_picture_travels_to_other_processes(tmp_path: Path, memory: MemoryFileSystem) -> None:
    memory.pipe("/people/a.jpg", b"x")
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "list.txt").write_text(f"{NOBODY}/a.jpg")
    tar = write_tar(tmp_path / "a.tar", {"a.jpg": b"x"})
    for images in ("memory://people", str(tmp_path), str(tmp_path / "list.txt"), str(tar)):
        [picture] = find_pictures(images)
        travelled = pickle.loads(pickle.dumps(picture))
        assert travelled == picture
        assert (travelled.uri, travelled.fingerprint()) == (picture.uri, picture.fingerprint())


def test_what_is_stated_of_a_picture_goes_before_what_is_stated_of_all(tmp_path: Path) -> None:
    origins = Origins("people", "CC0", "everybody")
    plain, stated = Picture(tmp_path / "a.jpg"), Picture(tmp_path / "a.jpg", None, "CC BY 4.0", "Jane")
    assert (origins.source_of(plain, "0").license, origins.source_of(plain, "0").attribution) == ("CC0", "everybody")
    assert (origins.source_of(stated, "0").license, origins.source_of(stated, "0").attribution) == ("CC BY 4.0", "Jane")


def test_a_shards_digest_follows_what_is_stated_of_a_picture(tmp_path: Path) -> None:
    digests = set()
    for license_name in ("CC0", "CC BY 4.0"):
        write_list(tmp_path / "list.csv", [{"url": f"{NOBODY}/a.jpg", "license": license_name}])
        pictures = find_pictures(str(tmp_path / "list.csv"))
        digests.add(LabelWork(Origins("x")).digest(pictures, teacher=None, detector="d"))
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("images", "name"),
    [
        ("s3://bucket/people", "people"),
        ("s3://bucket/people/images/", "people"),
        ("s3://bucket/people/images/*.jpg", "people"),
        ("s3://bucket/people/a.jpg", "people"),
        ("s3://bucket/v1.2", "v1.2"),
        ("s3://bucket", "bucket"),
        ("s3://bucket/photos-{000..009}.tar", "photos"),
        ("shards/photos.tar", "photos"),
        ("shards/photos-*.tar", "photos"),
        ("shards/*.tar", "shards"),
        ("shards/00000.tar", "shards"),
        ("s3://bucket/people/{000..009}.tar", "people"),
        ("lists/flickr.csv", "flickr"),
        ("gs://bucket/flickr.parquet", "flickr"),
        ("https://photos.test/me/a.jpg", "photos.test"),
        ("file:///photos/people/a.jpg", "people"),
    ],
)
def test_every_kind_of_source_has_a_name(images: str, name: str) -> None:
    assert default_source(images) == name


def test_the_page_of_sources_names_every_limit_with_its_value() -> None:
    page = (ROOT / "docs/sources.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", page, flags=re.MULTILINE))
    written = {name: float(value.replace(",", "").split()[0]) for name, value in rows.items()}
    units = {"MiB": 2**20, "KiB": 2**10}
    for name, value in rows.items():
        written[name] *= units.get(value.split()[-1], 1)
    assert written == {name: value for name, value in vars(limits).items() if name.isupper()}


# --- from a source to samples ---


def test_pictures_of_a_tar_and_of_a_file_system_are_labelled(
    tmp_path: Path, memory: MemoryFileSystem, portrait: bytes
) -> None:
    memory.pipe("/people/a.jpg", portrait)
    tar = write_tar(tmp_path / "a.tar", {"a.jpg": portrait, "a.json": b'{"license": "CC BY 4.0"}'})
    pictures = [*find_pictures("memory://people"), *find_pictures(str(tar))]
    result = process_shard(pictures, tmp_path / "shard", lambda: labeller(tmp_path))
    assert [(row["source_uri"], row["license"]) for row in read_rows([result])] == [
        ("memory://people/a.jpg", "CC0"),
        (f"{tar}!/a.jpg", "CC BY 4.0"),
    ]


def labeller(directory: Path) -> Labeller:
    origins = Origins("test", "CC0", "somebody")
    return Labeller(LabelWork(origins), default_detector(), load_teacher("grabcut"), BlobStore(directory / "data"))


@pytest.fixture
def server(portrait: bytes) -> Iterator[PictureServer]:
    with serve(portrait) as running:
        yield running


def test_of_a_list_the_good_pictures_are_labelled_and_each_other_has_its_reason(
    tmp_path: Path, server: PictureServer
) -> None:
    expected = {
        "/good.jpg": None,
        "/redirected.jpg": None,
        "/429.jpg": None,
        "/missing.jpg": quarantine.HTTP_ERROR,
        "/lying.jpg": "not an image",
        "/page.jpg": quarantine.NOT_AN_IMAGE,
        "/slow.jpg": quarantine.TIMED_OUT,
        "/endless.jpg": quarantine.TOO_LARGE,
        "/loop.jpg": quarantine.TOO_MANY_REDIRECTS,
        "/secret/good.jpg": quarantine.DISALLOWED,
    }
    rows = [{"url": server.url(path), "license": "CC BY 4.0", "attribution": path} for path in expected]
    rows.append({"url": "no URL at all", "license": "", "attribution": ""})
    rows.append({"url": f"{NOBODY}/a.jpg", "license": "", "attribution": ""})
    rules = FetchRules(
        allow_private_addresses=True,
        max_bytes=2**20,
        total_timeout_seconds=3,
        attempts=2,
        backoff_seconds=0.05,
        requests_per_host=4,
    )
    pictures = list_web_pictures(str(write_list(tmp_path / "list.csv", rows)), rules)
    assert server.paths() == []
    result = process_shard(pictures, tmp_path / "shard", lambda: labeller(tmp_path), threads=4)
    labelled = list(read_rows([result]))
    assert {row["source_uri"]: row["attribution"] for row in labelled} == {
        server.url(path): path for path, reason in expected.items() if reason is None
    }
    assert {row["license"] for row in labelled} == {"CC BY 4.0"}
    reasons = {row["source_uri"]: row["reason"] for row in read_quarantine([result])}
    assert reasons == {server.url(path): reason for path, reason in expected.items() if reason} | {
        "no URL at all": quarantine.BAD_URL,
        f"{NOBODY}/a.jpg": quarantine.UNREACHABLE,
    }
    asked = len(server.asked)
    assert process_shard(pictures, tmp_path / "shard", lambda: pytest.fail("labelled again")).resumed
    assert len(server.asked) == asked


def test_a_list_within_this_machine_is_refused_unless_allowed(tmp_path: Path, server: PictureServer) -> None:
    (tmp_path / "list.txt").write_text(server.url("/good.jpg"))
    [closed] = find_pictures(str(tmp_path / "list.txt"))
    with pytest.raises(Unusable) as caught:
        closed.read()
    assert caught.value.reason == quarantine.REFUSED_ADDRESS
    [opened] = find_pictures(str(tmp_path / "list.txt"), allow_private_addresses=True)
    assert opened.read() == server.picture


@pytest.mark.slow
def test_the_command_labels_a_list_of_an_intranet(
    tmp_path: Path, server: PictureServer, prefect_server: dict[str, str]
) -> None:
    rows = [{"url": server.url(path), "license": "CC0"} for path in ("/good.jpg", "/missing.jpg")]
    write_list(tmp_path / "people.csv", rows)
    command = [sys.executable, "-m", "pipeline.generate", "--images", "people.csv", "--allow-private-addresses"]
    done = subprocess.run(command, cwd=tmp_path, env=prefect_server, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = ManifestStore(tmp_path / "manifests").open().read(["source", "source_uri", "license"])
    assert table.to_pylist() == [{"source": "people", "source_uri": server.url("/good.jpg"), "license": "CC0"}]
    [written] = (tmp_path / "data/quarantine").glob("*.csv")
    assert "HTTP error" in written.read_text()


def test_raw_photographs_and_videos_are_counted_instead_of_passed_over(tmp_path: Path, astronaut: Image.Image) -> None:
    for name in ("DSC1.NEF", "DSC2.nef", "clip.MOV", "notes.txt"):
        (tmp_path / name).write_bytes(b"not read")
    line = "1 .mov, 2 .nef file(s), which are not read; export raw photographs as JPEG"
    with pytest.raises(UserError, match=f"found none but {re.escape(line)}"):
        find_pictures(str(tmp_path))
    astronaut.save(tmp_path / "a.png")
    assert unread_files(str(tmp_path)) == line
    (tmp_path / "clip.MOV").unlink()
    assert [picture.image for picture in find_pictures(str(tmp_path))] == [tmp_path / "a.png"]
    assert unread_files(str(tmp_path / "a.png")) == unread_files("https://example.org/a.png") == ""
