from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_stack.mine import error_in, log_of, progress_of, task_name

TASK: dict[str, Any] = {
    "task_id": "extract",
    "map_index": -1,
    "state": "success",
    "duration": 1.25,
    "try_number": 1,
    "max_tries": 4,
}


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ({}, "success            1.2 s"),
        ({"state": "failed", "duration": 61.0}, "failed            61.0 s"),
        ({"state": "skipped", "duration": 0.0}, "skipped"),
        ({"state": "upstream_failed", "duration": None}, "upstream_failed"),
        ({"state": "up_for_retry", "try_number": 2}, "failed, try 2 of 5; it will be tried again"),
        ({"state": "awaiting_input"}, "waits for a person"),
        ({"state": "running"}, None),
        ({"state": None}, None),
    ],
)
def test_progress_of_a_task(task: dict[str, Any], line: str | None) -> None:
    assert progress_of(TASK | task) == line


def test_mapped_tasks_are_told_apart() -> None:
    assert task_name(TASK) == "extract"
    assert task_name(TASK | {"map_index": 3}) == "extract 3"
    assert task_name(TASK | {"map_index": 3, "rendered_map_index": "1 to 200"}) == "extract 1 to 200"
    assert log_of(Path("/home"), "run", TASK | {"map_index": 3, "try_number": 2}) == Path(
        "/home/logs/dag_id=lead_mining/run_id=run/task_id=extract/map_index=3/attempt=2.log"
    )


def test_last_error_of_a_log_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "attempt=1.log"
    entries = [
        {"level": "error", "event": "first"},
        {"level": "error", "event": "x", "error_detail": [{"exc_type": "CrmError", "exc_value": "no team\n 'North'"}]},
        {"level": "info", "event": "done"},
    ]
    log.write_text("not JSON\n" + "\n".join(map(json.dumps, entries)))

    assert error_in(log) == "CrmError: no team 'North'"


def test_log_without_an_error_or_no_log(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()

    assert error_in(tmp_path / "empty.log") == "its log does not say why"
    assert error_in(tmp_path / "absent.log") == "it left no log"


def test_error_that_no_retry_can_mend_is_told_in_its_own_words(tmp_path: Path) -> None:
    detail = {"exc_type": "AirflowFailException", "exc_value": "team: 'Nowhere' is not allowed"}
    (tmp_path / "log").write_text(json.dumps({"level": "error", "event": "x", "error_detail": [detail]}))

    assert error_in(tmp_path / "log") == "team: 'Nowhere' is not allowed"
