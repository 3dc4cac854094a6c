"""Threads that live in a time of their own: whoever sleeps is woken when all others sleep for longer."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SimulatedTime:
    """One thread runs at a time, so that a seed gives the same order of events each time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._asleep = threading.Semaphore(0)
        self._order = 0
        self._errors: list[BaseException] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        woken = self._enqueue(seconds)
        self._asleep.release()
        woken.wait()

    def run(self, *works: Callable[[], None]) -> None:
        """Until all have ended. Raises what any of them raised."""
        threads = [threading.Thread(target=self._live, args=(work, self._enqueue(0)), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        while self._sleepers and not self._errors:
            self.seconds, _, woken = heapq.heappop(self._sleepers)
            woken.set()
            self._asleep.acquire()
        if self._errors:
            raise self._errors[0]

    def _enqueue(self, seconds: float) -> threading.Event:
        self._order += 1
        woken = threading.Event()
        heapq.heappush(self._sleepers, (self.seconds + seconds, self._order, woken))
        return woken

    def _live(self, work: Callable[[], None], begun: threading.Event) -> None:
        begun.wait()
        try:
            work()
        except BaseException as error:  # raised by `run`
            self._errors.append(error)
        finally:
            self._asleep.release()
