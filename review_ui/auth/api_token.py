"""API tokens: 256 random bits for a script of a user, with a scope and an end; the users file has their SHA-256."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from review_ui.auth.sessions import digest_of

Scope = Literal["read", "review", "all"]  # reading alone; a reviewer's work; all that the user may do
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_AGE = timedelta(days=90)

_PREFIX = "mf_"  # lets secret scanners know one
_BYTES = 32


@dataclass(frozen=True, slots=True)
class ApiToken:
    """One token of a user, by its `label`."""

    label: str
    sha256: str
    scope: Scope
    expires_at: datetime

    def may(self, method: str, path: str) -> bool:
        """Whether a request is within the scope; one for samples changes their leases, so it is no reading."""
        return self.scope != "read" or (method in ("GET", "HEAD") and path != "/api/next")


def new_token(label: str, scope: Scope, expires_at: datetime) -> tuple[str, ApiToken]:
    """Make a token: the text for the script, which is shown once, and its entry."""
    text = _PREFIX + secrets.token_urlsafe(_BYTES)
    return text, ApiToken(label, digest_of(text), scope, expires_at)
