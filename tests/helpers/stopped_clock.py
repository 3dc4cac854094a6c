"""A clock that stands still unless it is moved, in the place of the module `time`."""

from __future__ import annotations


class StoppedClock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now
