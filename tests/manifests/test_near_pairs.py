"""Look-alikes and groups among many hashes, compared with a look at every pair."""

from collections.abc import Sequence

import numpy as np
import pytest

from manifests.samples import near_pairs as module
from manifests.samples.duplicates import MAX_HAMMING_DISTANCE, MAX_TURNED_DISTANCE, split_of
from manifests.samples.groups import Groups, NewSample, NewSamples
from manifests.samples.near_pairs import Hashes, near_pairs

RNG_SEEDS = range(4)
BLANK = 1 << 63  # ImageHash's hash of a picture of one colour


def flipped(rng: np.random.Generator, hashes: Hashes, count: int, bits: int) -> Hashes:
    """`count` of the hashes, each with up to that many bits flipped."""
    some = rng.choice(hashes, count)
    for _ in range(bits):
        some = some ^ (np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64))
    return some


def random_hashes(rng: np.random.Generator, count: int, bits: int = 64) -> Hashes:
    return rng.integers(0, 2**bits, count, dtype=np.uint64)


def made_up(kind: str, rng: np.random.Generator) -> tuple[Hashes, Hashes]:
    """Two sides of a kind that is hard on buckets."""
    left = {
        "random": random_hashes(rng, 300),
        "one common band": random_hashes(rng, 300, 48),
        "a band common to half": np.concatenate([random_hashes(rng, 200), random_hashes(rng, 200, 44)]),
        "dense": random_hashes(rng, 100, 12),
        "one": random_hashes(rng, 1),
        "none": random_hashes(rng, 0),
    }[kind]
    near = flipped(rng, left, 300, 7) if len(left) else left
    return np.unique(left), np.unique(np.concatenate([near, left[:50], random_hashes(rng, 20)]))


@pytest.mark.parametrize("large_bucket", [2000, module._LARGE_BUCKET])
@pytest.mark.parametrize("kind", ["random", "one common band", "a band common to half", "dense", "one", "none"])
@pytest.mark.parametrize("max_distance", [MAX_TURNED_DISTANCE, MAX_HAMMING_DISTANCE])
def test_near_pairs_are_those_that_a_look_at_every_pair_finds(
    max_distance: int, kind: str, large_bucket: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGE_BUCKET", large_bucket)
    monkeypatch.setattr(module, "_CHOICE_COST", 0)  # else so few are compared pair by pair
    monkeypatch.setattr(module, "_KEY_COST", 0.01)
    left, right = made_up(kind, np.random.default_rng(max_distance))
    distances = np.bitwise_count(left[:, None] ^ right)
    expected = [(*place, distances[place]) for place in zip(*np.nonzero(distances <= max_distance), strict=True)]
    assert sorted(zip(*(column.tolist() for column in near_pairs(left, right, max_distance)), strict=True)) == expected
    assert kind == "none" or len(expected) > 0


def test_hashes_with_one_common_band_take_no_look_at_every_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = 0
    count = np.bitwise_count

    def counted(values: Hashes) -> np.ndarray:
        nonlocal compared
        compared += values.size
        return count(values)

    monkeypatch.setattr(np, "bitwise_count", counted)
    hashes = np.unique(random_hashes(np.random.default_rng(1), 30_000, 44))
    near_pairs(hashes, hashes, MAX_HAMMING_DISTANCE)
    assert compared < len(hashes) ** 2 / 5


def by_every_pair(known: Sequence[tuple[str, int, str]], new: Sequence[NewSample]) -> list[str | None]:
    """The rule of `Groups`, with a look at every pair; `known` are group, hash and source."""
    rows: list[tuple[str | None, int]] = [(group, phash) for group, phash, _source in known]
    of_source = {source: group for group, _phash, source in known}
    groups: list[str | None] = []
    for sample in new:
        upright, turned = int(sample.phash, 16), [int(phash, 16) for phash in sample.turned]
        near = []
        for place, (group, phash) in enumerate(rows):
            tried = [((upright ^ phash).bit_count(), MAX_HAMMING_DISTANCE)]
            tried += [((each ^ phash).bit_count(), MAX_TURNED_DISTANCE) for each in turned]
            near += [(distance, place, group) for distance, limit in tried if distance <= limit and group is not None]
        group_id: str | None = of_source.get(sample.source_sha256) or (min(near)[2] if near else sample.sample_id)
        if len({split_of(group) for group in (group_id, *(group for _, _, group in near)) if group}) > 1:
            group_id = None
        else:
            of_source.setdefault(sample.source_sha256, str(group_id))
        rows.append((group_id, upright))
        groups.append(group_id)
    return groups


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_groups_are_those_of_the_rule_with_a_look_at_every_pair(seed: int) -> None:
    """Chains of look-alikes, equal hashes, blank pictures, shared sources, and known look-alikes in two splits."""
    rng = np.random.default_rng(seed)
    starts = random_hashes(rng, 12)
    pool = np.concatenate([starts, flipped(rng, starts, 60, 3), flipped(rng, starts, 60, 7), [np.uint64(BLANK)] * 20])
    names = [f"{number:032x}" for number in range(1000)]
    known = [(names[500 + n // 2], int(h), f"{n:064x}") for n, h in enumerate(rng.choice(pool, 30))]
    new = [
        NewSample(
            names[number],
            f"{int(phash):016x}",
            f"{rng.integers(0, 200):064x}",
            [f"{int(each):016x}" for each in flipped(rng, pool, int(rng.integers(0, 3)), 2)],
        )
        for number, phash in enumerate(rng.choice(pool, 150))
    ]
    columns = zip(*((group, f"{phash:016x}", source) for group, phash, source in known), strict=True)
    found = Groups(*columns).assign(NewSamples.of(new))
    assert found == by_every_pair(known, new)
    assert found.count(None) > 0
    assert len(set(found)) > 5
    assert Groups().assign(NewSamples.of(new)) == by_every_pair([], new)


def test_blank_pictures_are_one_group_however_many() -> None:
    """In pairs they would be four hundred million."""
    count = 20_000
    hashes = np.full(count, BLANK, np.uint64)
    names = [f"{number:032x}" for number in range(count)]
    new = NewSamples(names, names, hashes, np.repeat(hashes, 7), np.repeat(np.arange(count), 7))
    assert set(Groups().assign(new)) == {names[0]}
