"""Lets people in: name and password -> token, token -> Reviewer. No web in here.

A person is who the users file says, now: somebody removed, or with another password, is out at the next request,
and a new role holds from the next request on. What the database says about a token is remembered for CACHE_SECONDS,
so that a page under load costs no query per request; a sign-out on another server is seen after that.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from manifests.decisions.log import DecisionLog
from manifests.errors import UserError
from review_ui.auth.password import matches
from review_ui.auth.rate_limit import Throttle
from review_ui.auth.sessions import SignInRecord, Tokens, digest_of
from review_ui.auth.users import User, UsersFile
from review_ui.reviewer import Reviewer

CACHE_SECONDS = 5.0
_CACHE_SIZE = 1_000


class WrongPassword(UserError):
    """No such name, or not its password: which of the two is not told."""


class TooManyTries(UserError):
    """Somebody is guessing; `wait_seconds` says when the next try is looked at."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(
            "expected fewer wrong passwords for this name or from this address; "
            f"try again in {wait_seconds} second{'s' if wait_seconds > 1 else ''}"
        )
        self.wait_seconds = wait_seconds


class Doorkeeper:
    """The users of a file, and their sign-ins beside a decision log. Safe to use from threads."""

    def __init__(
        self, users: UsersFile, log: DecisionLog, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._users = users
        self._now = now
        self._tokens = Tokens(log, now=now)
        self._throttle = Throttle()
        self._remembered: dict[str, tuple[SignInRecord, datetime]] = {}  # by digest; until when
        self._lock = threading.Lock()

    def sign_in(self, name: str, password: str, *, address: str, replaces: str | None = None) -> str:
        """A token for the person; the one it replaces ends. Takes a few tenths of a second.

        Raises WrongPassword, TooManyTries, DatabaseAway.
        """
        wait = self._throttle.begin(name, address, now=self._now().timestamp())
        if wait:
            raise TooManyTries(int(wait) + 1)
        user = self._known(name, password)
        if user is None:
            raise WrongPassword("expected a name and its password, found another pair; check both and try again")
        token = self._tokens.issue(user.name, user.password.fingerprint)
        self._throttle.succeed(name, address)
        if replaces:
            self.sign_out(replaces)
        return token

    def sign_out(self, token: str) -> None:
        """End the token everywhere; harmless when it had ended."""
        self._tokens.end(token)
        with self._lock:
            self._remembered.pop(digest_of(token), None)

    def recall(self, token: str) -> Reviewer | None:
        """Who it is, without asking the database; None when only `find` knows."""
        remembered = self._remembered.get(digest_of(token))
        if remembered is None or remembered[1] <= self._now():
            return None
        return self._reviewer(remembered[0])

    def find(self, token: str) -> Reviewer | None:
        """Who the token belongs to; None when it has ended or never was. Asks the database; raises DatabaseAway."""
        record = self._tokens.find(token)
        if record is None:
            return None
        self._remember(digest_of(token), record)
        return self._reviewer(record)

    def _known(self, name: str, password: str) -> User | None:
        """The user, if it is the password. An unknown name costs the same time: somebody's hash is tried in vain."""
        users = self._users.users()
        user = users.get(name)
        tried = user or next(iter(users.values()), None)
        is_right = tried is not None and matches(password, tried.password)
        return user if is_right else None

    def _reviewer(self, record: SignInRecord) -> Reviewer | None:
        user = self._users.users().get(record.name)
        if user is None or user.password.fingerprint != record.password_fingerprint:
            return None
        return Reviewer(user.name, user.role)

    def _remember(self, digest: str, record: SignInRecord) -> None:
        now = self._now()
        until = min(now + timedelta(seconds=CACHE_SECONDS), record.expires_at)
        with self._lock:
            if len(self._remembered) >= _CACHE_SIZE:
                self._remembered = {key: entry for key, entry in self._remembered.items() if entry[1] > now}
            if len(self._remembered) < _CACHE_SIZE:
                self._remembered[digest] = (record, until)
