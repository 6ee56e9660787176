"""Passwords as scrypt hashes: one text with its parameters, `scrypt$17$8$1$salt$hash`.

The numbers are log2(n), r and p; salt and hash are base64. A hash takes a few tenths of a second and 128 MiB, so
that a stolen file allows few tries; it is never computed on the event loop.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass

from manifests.errors import UserError

MIN_CHARACTERS = 8  # NIST SP 800-63B, section 5.1.1.2
MAX_CHARACTERS = 256

_LOG2_N, _R, _P = 17, 8, 1  # OWASP password storage cheat sheet, scrypt
_SALT_BYTES, _DIGEST_BYTES = 16, 32
_LOG2_N_RANGE, _R_RANGE, _P_RANGE = range(15, 21), range(8, 33), range(1, 17)  # at most 4 GiB


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """The parameters of scrypt, and the digest of a password."""

    log2_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def __str__(self) -> str:
        return f"scrypt${self.log2_n}${self.r}${self.p}${_base64(self.salt)}${_base64(self.digest)}"

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change with the password, and with the salt; they reveal neither."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:32]


def hash_password(password: str, *, log2_n: int = _LOG2_N) -> PasswordHash:
    """A new hash, with a salt of its own."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return PasswordHash(log2_n, _R, _P, salt, _scrypt(password, log2_n, _R, _P, salt))


def matches(password: str, expected: PasswordHash) -> bool:
    """Whether the password is right, in a time that doesn't depend on the result."""
    digest = _scrypt(password, expected.log2_n, expected.r, expected.p, expected.salt)
    return hmac.compare_digest(digest, expected.digest)


def read_hash(text: object) -> PasswordHash:
    """Parse the text of a hash. ValueError, which doesn't quote the text, when it isn't one of ours."""
    problem = "expected a hash such as scrypt$17$8$1$salt$hash"
    parts = text.split("$") if isinstance(text, str) else []
    if len(parts) != 6 or parts[0] != "scrypt":
        raise ValueError(f"{problem}, found something else")
    try:
        log2_n, r, p = (int(part) for part in parts[1:4])
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[4:])
    except (ValueError, binascii.Error) as error:
        raise ValueError(f"{problem}, found one that can't be read") from error
    if log2_n not in _LOG2_N_RANGE or r not in _R_RANGE or p not in _P_RANGE:
        raise ValueError(f"{problem}, found parameters {log2_n}, {r}, {p}, too weak or too costly")
    if len(salt) < _SALT_BYTES or len(digest) != _DIGEST_BYTES:
        raise ValueError(f"{problem}, found one that was cut short")
    return PasswordHash(log2_n, r, p, salt, digest)


def check_new(password: str) -> None:
    """Raise UserError for a wrong length, or characters that no form can send."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise UserError(
            f"expected a password of {MIN_CHARACTERS} to {MAX_CHARACTERS} characters, found {len(password)}; "
            "choose another"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise UserError("expected a password of characters that a form can send, found a control character")


def _scrypt(password: str, log2_n: int, r: int, p: int, salt: bytes) -> bytes:
    normal = unicodedata.normalize("NFC", password)  # keyboards encode one letter in several ways
    memory = 128 * r * (2**log2_n + p + 2)  # RFC 7914, plus what OpenSSL needs besides
    return hashlib.scrypt(normal.encode(), salt=salt, n=2**log2_n, r=r, p=p, maxmem=memory + 2**20, dklen=_DIGEST_BYTES)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
