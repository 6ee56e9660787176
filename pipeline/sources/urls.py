"""URLs without the credentials in them, for the manifest, the quarantine table and messages."""

import re

import httpx

# Parameters that grant access: of presigned URLs of S3, Google and Azure, and common names of tokens.
SECRET_PARAMETERS = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "auth_token",
        "awsaccesskeyid",
        "password",
        "sig",
        "signature",
        "token",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-credential",
        "x-goog-signature",
    }
)

_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)?[^/?#]*@", re.IGNORECASE)
_UP_TO_LAST_AT = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)
_PASSWORD_IN_TEXT = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/?#@]*:[^\s/?#@]*@", re.IGNORECASE)
_SECRET_IN_TEXT = re.compile(rf"\b((?:{'|'.join(sorted(SECRET_PARAMETERS))})=)[^&\s'\"]+", re.IGNORECASE)


def parse_web_url(url: str) -> httpx.URL | None:
    """An http(s) URL with a host; None for anything else."""
    try:
        parsed = httpx.URL(url)
        host = host_of(parsed)
    except (httpx.InvalidURL, ValueError):
        return None
    port_is_valid = parsed.port is None or 0 < parsed.port < 2**16
    return parsed if parsed.scheme in ("http", "https") and host and port_is_valid else None


def host_of(url: httpx.URL) -> str:
    """The host in ASCII; httpx's own `host` refuses some names that exist."""
    return url.raw_host.decode("ascii")


def without_credentials(url: str) -> str:
    """The URL without user, password, secret parameters and fragment; the rest as it was written."""
    try:
        httpx.URL(url)
        userinfo = _USERINFO
    except (httpx.InvalidURL, ValueError):  # a password with a slash in it, say: its end is unknown
        userinfo = _UP_TO_LAST_AT
    address, _, query = userinfo.sub(r"\1", url.partition("#")[0]).partition("?")
    kept = [part for part in query.split("&") if part.partition("=")[0].lower() not in SECRET_PARAMETERS]
    return f"{address}?{'&'.join(kept)}" if any(kept) else address


def redacted(text: str) -> str:
    """A third-party message without the credentials of the URLs in it."""
    return _SECRET_IN_TEXT.sub(r"\1...", _PASSWORD_IN_TEXT.sub(r"\1", text))


def holds_secret(url: str) -> bool:
    """Whether the URL holds a password or a secret parameter; a user name alone is not one."""
    bare = url.partition("#")[0]
    userinfo = _USERINFO.search(bare)
    names = {part.partition("=")[0].lower() for part in bare.partition("?")[2].split("&")}
    return bool(userinfo and ":" in userinfo[0].rpartition("://")[2]) or bool(names & SECRET_PARAMETERS)
