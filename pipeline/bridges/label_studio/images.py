"""An image that a task names -> its bytes: below a directory, from Label Studio itself, or from the web."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from manifests.errors import UserError
from manifests.imports.safe_paths import file_inside
from pipeline.quarantine import Unusable
from pipeline.sources.limits import (
    CONNECT_TIMEOUT_SECONDS,
    MAX_PICTURE_BYTES,
    READ_TIMEOUT_SECONDS,
    FetchRules,
)
from pipeline.sources.web.url_list import WebAddress

LOCAL_FILES = "/data/local-files/"  # Label Studio's path of files below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT
KEY_VARIABLE = "LABEL_STUDIO_API_KEY"


@dataclass(frozen=True, slots=True)
class TaskImages:
    """Reads the images of tasks. Safe to use from threads.

    `directory` is the root of Label Studio's local files. `host` is Label Studio's URL, the only place that gets the
    access `token`; other URLs are fetched as in `pipeline.generate`, never from private addresses.
    """

    directory: Path | None = None
    host: str | None = None
    token: str | None = None

    def read(self, address: str) -> bytes:
        """The image's bytes, at most MAX_PICTURE_BYTES; UserError when it can't be read."""
        parts = urlsplit(address)
        if parts.path == LOCAL_FILES and self.directory:
            return _local(self.directory, parse_qs(parts.query).get("d", [""])[0])
        if parts.scheme in ("http", "https") and not self._is_host(address):
            try:
                return WebAddress(address, FetchRules()).read()
            except Unusable as error:
                raise UserError(f"expected an image at {address}, found none ({error})") from error
        if parts.scheme in ("http", "https") or address.startswith("/"):
            return self._from_host(address)
        if self.directory:
            return _local(self.directory, address)
        raise UserError(f"expected --images DIR for {address}, found none")

    def _is_host(self, url: str) -> bool:
        return self.host is not None and httpx.URL(url).netloc == httpx.URL(self.host).netloc

    def _from_host(self, address: str) -> bytes:
        if self.host is None:
            raise UserError(f"expected --images DIR or --label-studio URL for {address}, found neither")
        url = address if "://" in address else self.host.rstrip("/") + address
        timeout = httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        try:
            with (
                httpx.Client(timeout=timeout, trust_env=False) as client,
                client.stream("GET", url, headers=self._credentials(client)) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise UserError(
                        f"expected an image at {url}, found status {response.status_code}; set {KEY_VARIABLE} to an "
                        "access token of Label Studio"
                    )
                return _limited(response, url)
        except httpx.HTTPError as error:
            raise UserError(f"expected Label Studio at {self.host}, found none ({error}); check the URL") from error

    def _credentials(self, client: httpx.Client) -> dict[str, str]:
        """The header of a legacy token; a personal access token, a JWT, is exchanged for a short one first."""
        if not self.token:
            return {}
        if self.token.count(".") != 2:
            return {"Authorization": f"Token {self.token}"}
        answer = client.post(f"{str(self.host).rstrip('/')}/api/token/refresh", json={"refresh": self.token})
        if answer.status_code != httpx.codes.OK:
            raise UserError(
                f"expected {KEY_VARIABLE} to be a valid access token, found that Label Studio refuses it "
                f"(status {answer.status_code}); make a new one in its account settings"
            )
        return {"Authorization": f"Bearer {answer.json()['access']}"}


def _local(directory: Path, name: str) -> bytes:
    path = file_inside(directory, name)
    if path is None:
        raise UserError(f"expected {name} below {directory}, found no file")
    if path.stat().st_size > MAX_PICTURE_BYTES:
        raise UserError(f"expected an image of at most {MAX_PICTURE_BYTES} bytes, found a larger one at {path}")
    return path.read_bytes()


def _limited(response: httpx.Response, url: str) -> bytes:
    data = bytearray()
    for part in response.iter_bytes():
        data += part
        if len(data) > MAX_PICTURE_BYTES:
            raise UserError(f"expected an image of at most {MAX_PICTURE_BYTES} bytes, found a larger one at {url}")
    return bytes(data)
