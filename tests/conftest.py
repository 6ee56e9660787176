"""What tests share: the real photographs beside the checkout, and small datasets made of them."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory `../shared`; tests that need it are skipped where it is missing."""
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the real photographs in ../shared/data, which are not here")
    return SHARED


@pytest.fixture(scope="session")
def portraits(shared: Path) -> Path:
    """Portraits of 240x320 with masks: images/train_*.jpg and masks/train_*.png."""
    return shared / "data/portraits"
