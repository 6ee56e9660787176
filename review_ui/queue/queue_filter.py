"""A queue's filter and order, as they stand in an address: ?source=web&doubt=0.2-1&order=diversity."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from manifests.errors import UserError

Order = Literal["doubt", "diversity", "likeness"]
QueueName = Literal["work", "second_look"]
ORDERS: tuple[Order, ...] = get_args(Order)
SEVERAL = ("source", "teacher")  # names that may be given several times: any of the values passes
NAMES = (*SEVERAL, "doubt", "group", "reason", "like", "order")
REPEATED = "*"  # as a group: every group with more than one sample
MAX_VALUES = 50
MAX_CHARACTERS = 200  # of a value

_RANGE = re.compile(r"([0-9]*\.?[0-9]+)-([0-9]*\.?[0-9]+)")


class BadFilter(UserError):
    """A filter that can't be read, or names what the version under review lacks."""


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """What passes: each part that isn't empty. `doubt` is a closed range in 0..1; a sample without doubt is outside.

    `group` is a group_id of near-duplicates, or REPEATED. `like` is a sample_id: images that look like its image, most
    alike first. `reason` is one of a reviewer's reasons, in the second look alone.
    """

    sources: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    doubt: tuple[float, float] | None = None
    group: str = ""
    reason: str = ""
    like: str = ""
    order: Order = "doubt"

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]], queue: QueueName = "work") -> "QueueFilter":
        """Read the names and values of a query; BadFilter for one that makes no sense in this queue."""
        values: dict[str, list[str]] = {}
        for name, value in query:
            values.setdefault(name, []).append(_checked(name, value))
        for name, found in values.items():
            if len(found) > (MAX_VALUES if name in SEVERAL else 1):
                raise BadFilter(f"expected {name} at most {MAX_VALUES if name in SEVERAL else 1}x, found {len(found)}x")
        only = {name: found[0] for name, found in values.items()}
        wanted = cls(
            sources=tuple(sorted(set(values.get("source", ())))),
            teachers=tuple(sorted(set(values.get("teacher", ())))),
            doubt=_range(only["doubt"]) if "doubt" in only else None,
            group=only.get("group", ""),
            reason=only.get("reason", ""),
            like=only.get("like", ""),
            order=_order(only.get("order"), has_like="like" in only),
        )
        wanted._check(queue)
        return wanted

    @property
    def is_narrow(self) -> bool:
        """Whether all that passes looks alike, so that any other image stands out."""
        return bool(self.like or self.group)

    @property
    def needs_embeddings(self) -> bool:
        return self.order != "doubt"

    def admits(self, doubt: float | None) -> bool:
        """Whether a doubt is in the range."""
        return self.doubt is None or (doubt is not None and self.doubt[0] <= doubt <= self.doubt[1])

    def _check(self, queue: QueueName) -> None:
        if self.reason and queue == "work":
            raise BadFilter(
                "expected a filter by reason with queue=second_look, found it with queue=work; leave it out"
            )
        if queue == "second_look" and self.order != "doubt":
            raise BadFilter(f"expected order={self.order} with queue=work, found it with the second look; leave it out")


NO_FILTER = QueueFilter()


def _checked(name: str, value: str) -> str:
    if name not in NAMES:
        slices = "; manifests have no slice columns yet" if name == "slice" else ""
        raise BadFilter(f"expected a filter out of {', '.join(NAMES)}, found {ascii(name)[:60]}{slices}")
    if not value or len(value) > MAX_CHARACTERS or not value.isprintable():
        raise BadFilter(f"expected 1 to {MAX_CHARACTERS} characters as {name}, found {ascii(value)[:60]}")
    return value


def _range(text: str) -> tuple[float, float]:
    match = _RANGE.fullmatch(text)
    low, high = (float(match[1]), float(match[2])) if match else (1.0, 0.0)
    if not 0 <= low <= high <= 1:
        raise BadFilter(f"expected a range of doubt in 0 to 1, such as 0.2-0.9, found {ascii(text)[:60]}")
    return low, high


def _order(text: str | None, *, has_like: bool) -> Order:
    usual: Order = "likeness" if has_like else "doubt"
    order = next((order for order in ORDERS if order == (text or usual)), None)
    if order is None:
        raise BadFilter(f"expected an order out of {', '.join(ORDERS)}, found {ascii(text)[:60]}")
    if (order == "likeness") != has_like:
        found = f"order={order} {'with' if has_like else 'without'} like"
        raise BadFilter(f"expected order=likeness with like=SAMPLE_ID and neither alone, found {found}")
    return order
