"""Authentication without the web: name and password -> token, token -> Reviewer; a script's API token -> Reviewer.

The users file is followed: a removed user, or one with another password, is signed out at the next request, and a new
role holds from the next request on. A token's row is cached for CACHE_SECONDS, so that a page under load costs no
query per request; a sign-out on another server takes effect after that.
"""

import logging
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from manifests.decisions.activity import ActivityLog, Actor
from manifests.decisions.database import DatabaseAway
from manifests.decisions.log import DecisionLog
from manifests.errors import UserError
from review_ui.auth.api_token import ApiToken
from review_ui.auth.password import matches
from review_ui.auth.rate_limit import RateLimit
from review_ui.auth.sessions import SignInRecord, SignInSessions, digest_of
from review_ui.auth.user_changes import record_user_changes
from review_ui.auth.users import User, Users, UsersFile
from review_ui.reviewer import Reviewer

logger = logging.getLogger(__name__)

CACHE_SECONDS = 5.0
_CACHE_SIZE = 1_000


class WrongPassword(UserError):
    """An unknown name or a wrong password; the message doesn't tell which."""


class TooManyTries(UserError):
    """Too many wrong passwords; the next try is possible after `wait_seconds`."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(
            "expected fewer wrong passwords for this name or from this address; "
            f"try again in {wait_seconds} second{'s' if wait_seconds > 1 else ''}"
        )
        self.wait_seconds = wait_seconds


class Authenticator:
    """The users of a file, and their sign-ins beside a decision log. Safe to use from threads."""

    def __init__(
        self, users: UsersFile, log: DecisionLog, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._file = users
        self._log = log
        self._now = now
        self._activity = ActivityLog(log, now=now)
        self._tokens = SignInSessions(log, now=now)
        self._throttle = RateLimit()
        self._remembered: dict[str, tuple[SignInRecord, datetime]] = {}  # by digest; until when
        self._lock = threading.Lock()
        self._recorded: Users | None = None  # in the activity log
        self._users()

    def sign_in(self, name: str, password: str, *, address: str, replaces: str | None = None) -> str:
        """Issue a token to the person and end the one it replaces. Takes a few tenths of a second.

        Raises WrongPassword, TooManyTries, DatabaseAway.
        """
        wait = self._throttle.begin(name, address, now=self._now().timestamp())
        if wait:
            raise TooManyTries(int(wait) + 1)
        user = self._authenticated(name, password)
        if user is None:
            known = name if name in self._users() else "unknown name"  # people type passwords there
            self._activity.record(Actor(known, address), "sign_in_refused")
            raise WrongPassword("expected a name and its password, found another pair; check both and try again")
        token = self._tokens.issue(user.name, user.password.fingerprint)
        self._activity.record(Actor(user.name, address), "sign_in")
        self._throttle.succeed(name, address)
        if replaces:
            self._end(replaces)
        return token

    def sign_out(self, token: str, *, by: Actor) -> None:
        """End the token on every server; harmless when it has ended already."""
        self._end(token)
        self._activity.record_done(by, "sign_out")

    def _end(self, token: str) -> None:
        self._tokens.end(token)
        with self._lock:
            self._remembered.pop(digest_of(token), None)

    def recall(self, token: str) -> Reviewer | None:
        """The token's reviewer from the cache; None when only `find` can tell."""
        remembered = self._remembered.get(digest_of(token))
        if remembered is None or remembered[1] <= self._now():
            return None
        return self._reviewer(remembered[0])

    def find(self, token: str) -> Reviewer | None:
        """The token's reviewer from the database; None when it has ended or never existed. Raises DatabaseAway."""
        record = self._tokens.find(token)
        if record is None:
            return None
        self._remember(digest_of(token), record)
        return self._reviewer(record)

    def bearer(self, token: str) -> tuple[Reviewer, ApiToken] | None:
        """The user of an API token and the token; None for one that is unknown or has expired.

        A user's token acts as a reviewer, unless its scope is `all` or it only reads.
        """
        digest, now = digest_of(token), self._now()
        for user in self._users().values():
            for known in user.tokens.values():
                if secrets.compare_digest(known.sha256, digest) and known.expires_at > now:
                    return Reviewer(user.name, "reviewer" if known.scope == "review" else user.role), known
        return None

    def _users(self) -> Users:
        """The users of the file; its changes go to the activity log, at the next start where the database refuses."""
        users = self._file.users()
        if users is not self._recorded:
            self._recorded = users
            try:
                record_user_changes(users, self._log, self._activity)
            except DatabaseAway as error:
                logger.warning("the activity log lacks a change of the users file until the next start: %s", error)
        return users

    def _authenticated(self, name: str, password: str) -> User | None:
        """The user, if the password is right. An unknown name takes the same time: another user's hash is tried."""
        users = self._users()
        user = users.get(name)
        tried = user or next(iter(users.values()), None)
        is_right = tried is not None and matches(password, tried.password)
        return user if is_right else None

    def _reviewer(self, record: SignInRecord) -> Reviewer | None:
        user = self._users().get(record.name)
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
