"""Every place that reads a file which somebody names: devices, pipes, folders and endless files are refused at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lead_mining import searches
from lead_mining.exceptions import LeadMiningError
from lead_mining.input_files import MOST_YAML, read_bytes
from lead_mining.privacy import subject, suppression_file
from lead_mining.providers.catalogue_file import CatalogueFile
from lead_mining.quality import rules
from local_stack.errors import RequestFileError
from local_stack.request_file import read_request


def _own_rules(path: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAD_MINING_EXPECTATIONS", str(path.parent))
        return rules.suites_that_hold()


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "suppression list": ("x.csv", lambda path: suppression_file.asked_for(str(path), None, None, "asked")),
    "subjects": ("x.csv", lambda path: subject.asked_for(str(path), [])),
    "catalogue": ("x.csv", lambda path: CatalogueFile(str(path)).columns),
    "compressed catalogue": ("x.csv.gz", lambda path: CatalogueFile(str(path)).columns),
    "Parquet catalogue": ("x.parquet", lambda path: CatalogueFile(str(path)).columns),
    "saved search": ("x.yaml", searches.read),
    "own rules": ("x.yaml", _own_rules),
    "request": ("x.yaml", read_request),
}
HOSTILE: dict[str, Callable[[Path], object]] = {
    "a named pipe": os.mkfifo,
    "a link to an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a terminal": lambda path: path.symlink_to("/dev/tty"),
    "a folder": Path.mkdir,
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "a file of 60 MB without a line": lambda path: _large(path),
}


def _large(path: Path) -> None:
    path.touch()
    os.truncate(path, 60_000_000)  # takes no room on the disk


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_of_a_fair_size_is_refused_at_once(tmp_path: Path, reader: str, hostile: str) -> None:
    name, read = READERS[reader]
    HOSTILE[hostile](tmp_path / name)
    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            read(tmp_path / name)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=attempt, daemon=True)  # one that waits for ever stops no test
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive(), "it waits for ever"
    (error,) = raised
    assert isinstance(error, LeadMiningError | RequestFileError | searches.SearchFileError), error


def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * MOST_YAML)
    assert len(read_bytes(path, MOST_YAML)) == MOST_YAML
    with pytest.raises(OSError, match="more than 999,999 bytes"):
        read_bytes(path, MOST_YAML - 1)
    with pytest.raises(OSError, match="more than 0 bytes"):
        read_bytes("/proc/self/status", 0)
    with pytest.raises(OSError, match="has a NUL"):
        read_bytes("a\0b", 1)
