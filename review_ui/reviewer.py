"""The person in front of the page."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["reviewer", "lead"]


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A signed-in person; a lead also publishes, takes the second look and sees all figures."""

    name: str
    role: Role


LOCAL_LEAD = Reviewer("local", "lead")  # the reviewer when there are no users
