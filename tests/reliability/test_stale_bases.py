"""Each operation beside each other one that ends in its middle, when it has read the version that it starts from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from operations import OPERATIONS, copy, ended, problems, publish, state

import manifests.upkeep.garbage
import manifests.versions.merge
import manifests.versions.restore
from manifests.store.manifest import ManifestStore

MATRIX = ("publish", "generate", "import", "restore", "merge", "gc", "relabel")
LAST_LOOKS = {  # the last step before the log is locked or blobs are deleted; for the others the commit itself
    "restore": (manifests.versions.restore, "require_blobs"),
    "merge": (manifests.versions.merge, "require_blobs"),
    "gc": (manifests.upkeep.garbage, "_by_age"),
}


@contextmanager
def before_the_commit(operation: str, between: Callable[[], object]) -> Iterator[list[str]]:
    """Call `between` once, before `operation` commits; the list then has an entry."""
    called: list[str] = []
    owner, name = LAST_LOOKS.get(operation, (ManifestStore, "commit"))
    real = getattr(owner, name)

    def call(*arguments: object, **options: object) -> object:
        if not called:
            called.append(operation)
            between()
        return real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, call)
        yield called


def check(operation: str, other: str, prepared: Path, root: Path) -> None:
    """`operation`, disturbed and repeated, leaves what it leaves after `other`."""
    copy(prepared, root)
    assert ended(lambda: OPERATIONS[other](root)).status == 0
    assert ended(lambda: OPERATIONS[operation](root)).is_clear
    ended(lambda: publish(root))
    wanted = state(root)

    copy(prepared, root)
    with before_the_commit(operation, lambda: OPERATIONS[other](root)) as called:
        first = ended(lambda: OPERATIONS[operation](root))
    assert called, f"{operation} never came to its commit"
    assert first.is_clear, first
    assert problems(root) == []
    if first.status:
        assert ended(lambda: OPERATIONS[operation](root)).is_clear
    ended(lambda: publish(root))
    assert problems(root) == []
    assert state(root) == wanted


@pytest.mark.parametrize("operation", MATRIX)
def test_an_operation_whose_base_moved_loses_nothing(operation: str, prepared: Path, tmp_path: Path) -> None:
    other = MATRIX[(MATRIX.index(operation) + 3) % len(MATRIX)]
    check(operation, other, prepared, tmp_path / "try")


@pytest.mark.slow
@pytest.mark.parametrize("other", MATRIX)
@pytest.mark.parametrize("operation", MATRIX)
def test_no_two_operations_lose_anything(operation: str, other: str, prepared: Path, tmp_path: Path) -> None:
    check(operation, other, prepared, tmp_path / "try")
