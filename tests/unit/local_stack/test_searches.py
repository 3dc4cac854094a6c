from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from local_stack.searches import print_searches

GOOD = "name: '[b]Spring[/b]'\nowner: Ann\nschedule: {cron: 0 3 * * *}\nbudget: 1500\nparams: {countries: [DE]}\n"


@pytest.mark.parametrize(
    ("files", "wrong", "said"),
    [
        ({}, 0, ["No saved search in", "README.md there shows how"]),
        ({"spring": GOOD}, 0, ["[b]Spring[/b]", "spring.yaml", "0 3 * * *", "03:00 UTC", "1,500"]),
        ({"a": GOOD, "b": "name: ["}, 1, ["[b]Spring[/b]", "b.yaml, line 1: this is not YAML"]),
        ({"a": "x: 1"}, 1, ["a.yaml, line 1, x: 1 is not allowed"]),
    ],
)
def test_searches_are_shown_and_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], wrong: int, said: list[str]
) -> None:
    monkeypatch.setenv("LEAD_MINING_SEARCHES", str(tmp_path))
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    console = Console(record=True, width=120)
    assert print_searches(console) == wrong
    printed = console.export_text()
    assert [text for text in said if text not in printed] == []
