"""What the attacks on a dataset share."""

from pathlib import Path

import pytest
from operations import prepare


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the datasets that operations work on; to be copied."""
    root = tmp_path_factory.mktemp("prepared")
    prepare(root)
    return root
