"""ONNX Runtime Web, the two files of it that a page needs, in the one version that this project supports.

pooch fetches npm's package once and keeps it in the user's cache. Every file is compared with its digest here, wherever
it came from, so that no registry, cache or folder can put another program into the page.
"""

import hashlib
import os
import sys
import tarfile
from pathlib import Path

import onnxruntime
import pooch
from requests import RequestException

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex

VERSION = "1.30.0"
SHA512 = (  # of npm's package
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
DIGESTS = {  # SHA-256 of the files needed from dist/; the wasm has SIMD, and threads that the page doesn't use
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
LICENCES = ("LICENSE", "ThirdPartyNotices.txt")  # npm's package has none; the wheel of the same project has both
REGISTRY = "https://registry.npmjs.org"

_FOLDERS = ("", "dist", "package/dist", "node_modules/onnxruntime-web/dist")  # where a given directory may have them
_TIMEOUT_SECONDS = 60  # without a byte


def runtime_files(package: Path | None, registry: str) -> dict[str, bytes]:
    """File name -> bytes: JavaScript, WebAssembly, licences.

    `package` is npm's package, a .tgz or a directory; None takes it from the cache, or else from `registry`.
    UserError when a file is missing or differs.
    """
    package = package or _fetched(registry)
    files = _from_directory(package) if package.is_dir() else _from_tarball(package)
    others = [name for name, digest in DIGESTS.items() if sha256_hex(files[name]) != digest]
    if others:
        raise UserError(f"expected onnxruntime-web {VERSION} in {package}, found another {others[0]}")
    wheel = Path(onnxruntime.__file__).parent
    return files | {name: (wheel / name).read_bytes() for name in LICENCES}


def registry_in_use() -> str:
    """npm's registry by its environment variable or the user's .npmrc; else npm's default."""
    environment = {name.lower(): value for name, value in os.environ.items()}
    settings = Path(environment.get("npm_config_userconfig") or Path.home() / ".npmrc")
    lines = settings.read_text().splitlines() if settings.is_file() else []
    stated = dict(line.replace(" ", "").split("=", 1) for line in lines if "=" in line)
    return environment.get("npm_config_registry") or stated.get("registry") or REGISTRY


def _fetched(registry: str) -> Path:
    """The package as a .tgz in the user's cache."""
    url = f"{registry.rstrip('/')}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
    cache = pooch.os_cache("maskfoundry")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=_TIMEOUT_SECONDS)
    try:
        return Path(pooch.retrieve(url, f"sha512:{SHA512}", path=cache, fname=Path(url).name, downloader=downloader))
    except (RequestException, ValueError) as error:  # ValueError: its digest differs
        raise UserError(
            f"expected onnxruntime-web {VERSION} at {url}, found: {error}; check the network or --registry, or give "
            "the package with --onnxruntime-web"
        ) from error


def _from_tarball(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        raise UserError(f"expected the directory or the .tgz of onnxruntime-web at {path}, found nothing there")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").hexdigest()
    if digest != SHA512:
        raise UserError(f"expected onnxruntime-web {VERSION} (SHA-512 {SHA512}) in {path}, found {digest}")
    with tarfile.open(path, mode="r:gz") as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in DIGESTS}
        return {name: member.read() for name, member in members.items() if member}


def _from_directory(directory: Path) -> dict[str, bytes]:
    for folder in (directory / name for name in _FOLDERS):
        if all((folder / name).is_file() for name in DIGESTS):
            return {name: (folder / name).read_bytes() for name in DIGESTS}
    raise UserError(f"expected {' and '.join(DIGESTS)} of onnxruntime-web {VERSION} in {directory}, found not both")
