"""The person in front of the page."""

from dataclasses import dataclass
from typing import Literal

from starlette.types import Scope

from manifests.decisions.activity import Actor

Role = Literal["reviewer", "lead"]


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A signed-in person; a lead also publishes, takes the second look and sees all figures."""

    name: str
    role: Role


LOCAL_LEAD = Reviewer("local", "lead")  # the reviewer when there are no users


def reviewer_in(scope: Scope) -> Reviewer:
    """The reviewer whom the sign-in layer put into a request; the local lead without one."""
    reviewer: Reviewer = scope.get("state", {}).get("reviewer", LOCAL_LEAD)
    return reviewer


def actor_in(scope: Scope) -> Actor:
    """The request's reviewer and network address, for the activity log."""
    return Actor(reviewer_in(scope).name, address_in(scope))


def address_in(scope: Scope) -> str:
    """The address that the request comes from; a trusted proxy's own is replaced by its client's."""
    client = scope.get("client")
    return str(client[0]) if client else ""
