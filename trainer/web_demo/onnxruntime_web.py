"""ONNX Runtime Web, the two files of it that a page needs, in the one version this project knows.

They come from npm's registry once and are kept in the user's cache; every file is compared with its digest here, from
wherever it came, so that nobody's registry, cache or folder can put another program into the page.
"""

import base64
import hashlib
import io
import os
import sys
import tarfile
from pathlib import Path

import httpx
import onnxruntime

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.blobs import sha256_hex
from manifests.progress import progress_bar

VERSION = "1.30.0"
TARBALL_BYTES = 33_106_585
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
DIGESTS = {  # SHA-256 of what is needed of dist/; the wasm has SIMD, and threads that the page doesn't use
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
LICENCES = ("LICENSE", "ThirdPartyNotices.txt")  # npm's package has none; the wheel of the same project has both
REGISTRY = "https://registry.npmjs.org"

_FOLDERS = ("", "dist", "package/dist", "node_modules/onnxruntime-web/dist")  # where a given directory may have them
_TIMEOUT_SECONDS = 60  # without a byte


def runtime_files(given: Path | None, registry: str) -> dict[str, bytes]:
    """File name -> bytes: JavaScript, WebAssembly, licences.

    `given` is a directory or the package's tarball; without it they come from the cache, or else from `registry`.
    UserError when they can't be had or are others.
    """
    if given is None:
        files = _cached() or _keep(_unpack(_download(registry), f"the package from {registry}"))
    elif given.is_dir():
        files = _from_directory(given)
    elif given.is_file():
        files = _unpack(given.read_bytes(), str(given))
    else:
        raise UserError(f"expected the directory or the .tgz of onnxruntime-web at {given}, found nothing there")
    beside = Path(onnxruntime.__file__).parent
    return files | {name: (beside / name).read_bytes() for name in LICENCES}


def registry_in_use() -> str:
    """The one npm is set to by its environment variable or in the user's .npmrc; else npm's own."""
    environment = {name.lower(): value for name, value in os.environ.items()}
    settings = Path(environment.get("npm_config_userconfig") or Path.home() / ".npmrc")
    lines = settings.read_text().splitlines() if settings.is_file() else []
    stated = dict(line.replace(" ", "").split("=", 1) for line in lines if "=" in line)
    return environment.get("npm_config_registry") or stated.get("registry") or REGISTRY


def cache_directory() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "maskfoundry" / f"onnxruntime-web-{VERSION}"


def _cached() -> dict[str, bytes] | None:
    """None when a file is missing or damaged; then all are fetched again."""
    paths = [cache_directory() / name for name in DIGESTS]
    files = {path.name: path.read_bytes() for path in paths if path.is_file()}
    return files if {name: sha256_hex(data) for name, data in files.items()} == DIGESTS else None


def _keep(files: dict[str, bytes]) -> dict[str, bytes]:
    for name, data in files.items():
        write_replace(cache_directory() / name, data)
    return files


def _download(registry: str) -> bytes:
    url = f"{registry.rstrip('/')}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
    print(f"fetching {url}", file=sys.stderr)
    data = bytearray()
    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT_SECONDS) as answer,
            progress_bar("fetching", total=TARBALL_BYTES, unit="B") as bar,
        ):
            if not answer.is_success:
                raise UserError(
                    f"expected onnxruntime-web {VERSION} at {url}, found: {answer.status_code} {answer.reason_phrase}; "
                    "check --registry, or give the package with --onnxruntime-web"
                )
            for part in answer.iter_bytes():
                data += part
                bar.update(len(part))
                if len(data) > TARBALL_BYTES:
                    break  # another file; its digest will say so
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(
            f"expected onnxruntime-web {VERSION} at {url}, found: {error}; check the network or --registry, or give "
            "the package with --onnxruntime-web"
        ) from error
    return bytes(data)


def _unpack(tarball: bytes, where: str) -> dict[str, bytes]:
    """The needed files of npm's package."""
    found = f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"
    if found != INTEGRITY:
        raise UserError(f"expected onnxruntime-web {VERSION} ({INTEGRITY}) in {where}, found {found}")
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in DIGESTS}
        return _checked({name: member.read() for name, member in members.items() if member}, where)


def _from_directory(directory: Path) -> dict[str, bytes]:
    for folder in (directory / name for name in _FOLDERS):
        if all((folder / name).is_file() for name in DIGESTS):
            return _checked({name: (folder / name).read_bytes() for name in DIGESTS}, str(folder))
    raise UserError(f"expected {' and '.join(DIGESTS)} of onnxruntime-web {VERSION} in {directory}, found not both")


def _checked(files: dict[str, bytes], where: str) -> dict[str, bytes]:
    others = [name for name, digest in DIGESTS.items() if sha256_hex(files[name]) != digest]
    if others:
        raise UserError(f"expected onnxruntime-web {VERSION} in {where}, found another {others[0]}")
    return files
