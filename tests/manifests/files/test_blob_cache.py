"""The cache of blobs: its bound and its order of eviction in numbers worked out by hand; threads, processes, damage."""

import fcntl
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from manifests.files.blob_cache import BlobCache
from manifests.files.blobs import sha256_hex

# A process that adds twenty blobs of 40 bytes to the cache of 200 bytes in its directory.
ADD_TWENTY = """
import sys
from pathlib import Path
from manifests.files.blob_cache import BlobCache
from manifests.files.blobs import sha256_hex
cache = BlobCache(Path(sys.argv[1]), 200)
for number in range(20):
    data = f"{sys.argv[2]} {number}".encode().ljust(40)
    cache.add(f"{sha256_hex(data)}.png", data)
"""


def blob(number: int, size_bytes: int = 30) -> tuple[str, bytes]:
    data = str(number).encode().ljust(size_bytes)
    return f"{sha256_hex(data)}.png", data


def added(cache: BlobCache, number: int, size_bytes: int = 30) -> str:
    """Add a blob whose last use is `number` seconds after the epoch; its name."""
    name, data = blob(number, size_bytes)
    os.utime(cache.add(name, data), (number, number))
    return name


def sizes(directory: Path) -> list[int]:
    return [path.stat().st_size for path in directory.glob("??/*")]


def test_a_copy_has_the_bytes_and_another_digest_is_refused(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 100)
    name, data = blob(1)
    assert cache.read(name) is None
    path = cache.add(name, data)
    assert cache.find(name) == path == tmp_path / name[:2] / name
    assert cache.read(name) == path.read_bytes() == data
    with pytest.raises(ValueError, match="expected bytes with the SHA-256"):
        cache.add(name, b"others")
    assert cache.read(name) == data


def test_what_was_unused_for_longest_goes_until_nine_tenths_are_taken(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 100)
    names = [added(cache, number) for number in (1, 2, 3)]  # 90 of 100 bytes
    added(cache, 4)  # 120: blob 1 goes, 90 stay
    assert [cache.read(name) is not None for name in names] == [False, True, True]


def test_a_copy_that_was_used_stays_longer_than_a_newer_one(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 100)
    names = [added(cache, number) for number in (1, 2, 3)]
    assert cache.find(names[0])  # now, decades after the others
    added(cache, 4)
    assert [cache.find(name) is not None for name in names] == [True, False, True]


def test_a_large_blob_takes_the_place_of_as_many_as_it_needs(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 100)
    for number in (1, 2, 3):
        added(cache, number)
    added(cache, 4, size_bytes=55)  # 35 of the 90 bytes remain for others: one of the three
    assert sorted(sizes(tmp_path)) == [30, 55]
    name = added(cache, 5, size_bytes=500)  # above the bound, but it is needed now
    assert sizes(tmp_path) == [500]
    added(cache, 6)
    assert cache.read(name) is None


def test_a_damaged_copy_counts_as_absent_and_is_replaced(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 100)
    name, data = blob(1)
    path = cache.add(name, data)
    path.write_bytes(b"damaged")
    assert cache.read(name) is None
    assert cache.add(name, data).read_bytes() == data


@pytest.mark.parametrize("count", ["", "many", "0"])
def test_a_lost_or_wrong_count_is_made_anew_at_the_next_look(count: str, tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 100)
    for number in range(1, 4):
        added(cache, number)
    (tmp_path / ".bytes").write_text(count)
    for number in range(4, 11):
        added(cache, number)
    assert sum(sizes(tmp_path)) <= (190 if count == "0" else 100)  # "0" hides the 90 bytes until the count is above 100
    for number in range(11, 15):
        added(cache, number)
    assert sum(sizes(tmp_path)) <= 100


def test_threads_and_processes_hold_the_bound_together(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", ADD_TWENTY, str(tmp_path), str(name)] for name in range(2)]
    processes = [subprocess.Popen(command) for command in commands]
    cache = BlobCache(tmp_path, 200)
    most = 0

    def use(number: int) -> None:
        nonlocal most
        name, data = blob(number % 12, 40)
        cache.add(name, data)
        assert cache.read(name) in (data, None)  # None: evicted meanwhile
        most = max(most, sum(sizes_under_the_lock(tmp_path)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(200)))
    assert [process.wait() for process in processes] == [0, 0]
    assert 0 < most <= 200
    assert all(sha256_hex(path.read_bytes()) == path.stem for path in tmp_path.glob("??/*"))


def sizes_under_the_lock(directory: Path) -> list[int]:
    """Sizes of the copies at one moment, between two writers: a longer look counts one that goes and one that comes."""
    with (directory / ".bytes").open() as count:
        fcntl.flock(count, fcntl.LOCK_SH)
        return sizes(directory)


def test_only_the_user_may_look_into_it(tmp_path: Path) -> None:
    added(BlobCache(tmp_path / "cache", 100), 1)
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
