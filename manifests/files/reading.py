"""Read a file whole, with a limit: a pipe never ends, and a sparse file of a terabyte is quickly made."""

import errno
import stat
from pathlib import Path

MAX_FILE_BYTES = 512 * 2**20  # more than an uncompressed image of 100 megapixels
NO_FILE = "a pipe or device, no file"
TOO_LARGE = f"a file of more than {MAX_FILE_BYTES // 2**20} MiB"


def regular_bytes(path: Path) -> bytes:
    """The bytes of a file; OSError when they can't be read, for a pipe or device, and above MAX_FILE_BYTES."""
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):  # reading a folder raises its own OSError
        raise OSError(errno.EINVAL, NO_FILE, str(path))
    if stat.S_ISREG(status.st_mode) and status.st_size > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, TOO_LARGE, str(path))
    return path.read_bytes()
