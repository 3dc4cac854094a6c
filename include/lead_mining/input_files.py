"""Files that people name or put into a folder: read whole, up to a size, and only where they are files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_YAML = 1_000_000
"""Bytes of a file that a person writes."""


def read_bytes(path: str | Path, most: int) -> bytes:
    """What a regular file holds, `most` bytes at most.

    Nothing is waited for: a named pipe or a device is opened without blocking, looked at, and refused.
    Raises OSError, whose `strerror` says why: it cannot be opened, is no regular file, or is too large.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "Its name has a NUL", str(path))
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "It is no regular file", str(path))
        content = file.read(most + 1)  # not by its size: those of /proc say 0
    if len(content) > most:
        raise OSError(errno.EFBIG, f"It has more than {most:,} bytes", str(path))
    return content


def read_text(path: str | Path, most: int = MOST_YAML) -> str:
    """The same as text. Raises OSError, and UnicodeDecodeError where it is not UTF-8."""
    return read_bytes(path, most).decode("utf-8")
