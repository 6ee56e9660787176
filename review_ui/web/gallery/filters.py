"""What the gallery shows: its filters, as they stand in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args
from urllib.parse import urlencode

from manifests.errors import UserError

Order = Literal["newest", "doubtful", "sure"]
ORDERS: tuple[Order, ...] = get_args(Order)
STATUSES = ("decided", "accepted", "rejected", "conflict", "pending", "flagged")  # the first is all but pending
Word = TypeVar("Word", bound=str)
LONGEST = 200  # characters of a value


@dataclass(frozen=True, slots=True)
class GalleryFilter:
    """An empty text filters nothing; `min_doubt` and `max_doubt` in 0..1, None: no limit. Pages count from 1."""

    status: str = STATUSES[0]
    source: str = ""
    origin: str = ""
    teacher: str = ""
    reviewer: str = ""
    reason: str = ""
    min_doubt: float | None = None
    max_doubt: float | None = None
    order: Order = "newest"
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "GalleryFilter":
        """Read an address's query; UserError for a value that makes no sense. Unknown names are ignored."""
        words = {name: query.get(name, "")[:LONGEST] for name in ("source", "origin", "teacher", "reviewer", "reason")}
        return cls(
            status=_one_of(STATUSES, "status", query.get("status") or STATUSES[0]),
            min_doubt=_share("min_doubt", query.get("min_doubt", "")),
            max_doubt=_share("max_doubt", query.get("max_doubt", "")),
            order=_one_of(ORDERS, "order", query.get("order") or "newest"),
            page=_page(query.get("page") or "1"),
            **words,
        )

    def address(self, **changes: object) -> str:
        """The query of this filter with some values changed."""
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        return urlencode({name: value for name, value in values.items() if value not in ("", None)})


def _one_of(words: tuple[Word, ...], name: str, text: str) -> Word:
    for word in words:
        if word == text:
            return word
    raise UserError(f"expected a {name} out of {', '.join(words)}, found {ascii(text)[:60]}")


def _share(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"expected {name} from 0 to 1, found {ascii(text)[:60]}")
    return value


def _page(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) == int(text):
        raise UserError(f"expected a page from 1 on, found {ascii(text)[:60]}")
    return int(text)
