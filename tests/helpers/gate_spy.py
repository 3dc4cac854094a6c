"""A gate that lets all pass, and says what entered and what it was told."""

from __future__ import annotations

from lead_mining.providers.base import Gate


class Spy(Gate):
    def __init__(self) -> None:
        self.entered: list[str] = []
        self.told: list[tuple[bool, float | None]] = []

    def enter(self, bucket: str) -> None:
        self.entered.append(bucket)

    def tell(self, bucket: str, *, failed: bool = False, wait: float | None = None) -> None:
        self.told.append((failed, wait))
