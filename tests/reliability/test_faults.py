"""Each operation on a disk that fails at one of its calls: nothing that was there is lost, a rerun completes."""

from pathlib import Path

import pytest
import torch
from faults import Fault, failing
from operations import OPERATIONS, State, copy, ended, problems, publish, state

from trainer.weights.tensor_file import read_tensors, write_tensors

FAULTS: tuple[Fault, ...] = ("EIO", "ENOSPC", "short")


def undisturbed(operation: str, prepared: Path, root: Path) -> tuple[list[str], State]:
    """The operation's calls, and the state that it and a publish leave."""
    copy(prepared, root)
    with failing(root / "here") as disk:
        assert ended(lambda: OPERATIONS[operation](root)).status == 0
    assert disk.violations == []
    assert disk.unsynced == {}, "a name whose directory was not synced"
    ended(lambda: publish(root))
    assert problems(root) == []
    return disk.calls, state(root)


def check(operation: str, prepared: Path, root: Path, at: int, fault: Fault, wanted: State) -> None:
    copy(prepared, root)
    with failing(root / "here", at=at, fault=fault) as disk:
        first = ended(lambda: OPERATIONS[operation](root))
    assert first.is_clear, first
    assert disk.violations == []
    assert problems(root, disturbed=True) == []
    assert fault != "short" or first.status == 0
    with failing(root / "here") as rerun:
        rerun.unsynced |= disk.unsynced
        again = ended(lambda: OPERATIONS[operation](root))
    assert again.is_clear, again
    assert rerun.unsynced == {}, "the rerun relies on a name that may not be on the disk"
    assert again.status == 0 or "found" in again.error  # it was done, but for the last sync
    ended(lambda: publish(root))
    assert problems(root) == []
    assert state(root) == wanted


def points(calls: list[str], fault: Fault) -> list[int]:
    return [number for number, call in enumerate(calls, 1) if fault != "short" or call == "write"]


@pytest.mark.parametrize(("number", "operation"), list(enumerate(OPERATIONS)))
def test_a_failing_call_loses_nothing(number: int, operation: str, prepared: Path, tmp_path: Path) -> None:
    calls, wanted = undisturbed(operation, prepared, tmp_path / "try")
    fault = FAULTS[number % 2]
    possible = points(calls, fault)
    check(operation, prepared, tmp_path / "try", possible[-1 - number % len(possible)], fault, wanted)


def write_epoch(path: Path, epoch: int) -> None:
    write_tensors(path, {"weights": torch.full((1000,), float(epoch))}, {"epoch": epoch}, kind="checkpoint")


def epoch_in(path: Path) -> int:
    tensors, header = read_tensors(path, kind="checkpoint")
    assert tensors["weights"].unique().tolist() == [header["epoch"]]
    return int(header["epoch"])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fits_checkpoint_is_the_last_one_or_the_one_before(fault: Fault, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    with failing(tmp_path) as whole:
        write_epoch(path, 1)
    assert (whole.violations, whole.unsynced) == ([], {})
    for at in points(whole.calls, fault):
        write_epoch(path, 1)
        with failing(tmp_path, at=at, fault=fault) as disk:
            first = ended(lambda: write_epoch(path, 2))
        assert first.is_clear
        assert disk.violations == []
        assert epoch_in(path) in ((1, 2) if first.status else (2,))
        write_epoch(path, 2)
        assert epoch_in(path) == 2


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_failing_call_loses_anything(operation: str, prepared: Path, tmp_path: Path) -> None:
    """Every call fails once, by EIO and ENOSPC in turn; every write is cut short once."""
    calls, wanted = undisturbed(operation, prepared, tmp_path / "try")
    faults: list[tuple[int, Fault]] = [(at, FAULTS[at % 2]) for at in range(1, len(calls) + 1)]
    faults += [(at, "short") for at in points(calls, "short")]
    for at, fault in faults:
        check(operation, prepared, tmp_path / "try", at, fault, wanted)
    print(f"{operation}: {len(faults)} faults")
