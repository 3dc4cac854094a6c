"""Text of others on a line of a log, a terminal or a message: whatever it is, it stays text on that line."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_mining import exceptions
from lead_mining.exceptions import FieldProblem, InvalidRequest, LeadMiningError, MalformedRecord, ProviderRejected
from lead_mining.messages import Message
from lead_mining.plain import Lines, logger, one_line, safe_lines
from lead_mining.providers.text import shorten
from lead_mining.story import told
from lead_mining.summary import ProviderShare, RejectionCount, RunSummary
from local_stack.mine import error_in

ROOT = Path(__file__).parents[2]
HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J",
    "\x9b31mred",
    "a\nTask succeeded",
    "a\rTask succeeded",
    "a\u2028b\u2029c\x85d\x0be\x0cf",
    "::group::hidden",
    "x ::gr\x1boup::hidden",
    "::endgroup::",
    "##[group]hidden",
    "\u202egnp.exe\u2066",
    "\ud800",
    "[red]x[/red]",
]
texts = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20), max_size=4).map("".join)


def unsafe(text: str) -> bool:
    """Whether something in it is more than text on one line."""
    return bool(
        re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)
        or re.search(r"::(end)?group::|##\[", text)
    )


@given(texts)
def test_any_text_becomes_one_safe_line(text: str) -> None:
    line = one_line(text)
    assert not unsafe(line)
    assert one_line(line) == line
    assert line.encode("utf-8") is not None
    assert not any(map(unsafe, safe_lines(text).split("\n")))


@given(texts.filter(lambda text: text.isprintable() and "::" not in text and "##" not in text))
def test_what_is_only_text_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text == safe_lines(text)


@pytest.mark.parametrize("text", ["std::vector", "fe80::1", "שלום \u200fעולם", "नमस्ते \u200d", "# ## heading", "café"])
def test_names_of_all_languages_are_kept(text: str) -> None:
    assert one_line(text) == text


@given(texts)
def test_every_error_shows_it_as_text(text: str) -> None:
    problem = FieldProblem("name", text, "use another")
    errors = [
        ProviderRejected(f"the provider said {shorten(text)}"),
        MalformedRecord([("name", shorten(text), "it must be a text")]),
        InvalidRequest([problem]),
    ]
    for error in errors:
        assert not any(map(unsafe, str(error).split("\n")))
    assert str(InvalidRequest([problem])).count("\n") == 1, "it begins no line of its own"
    assert not unsafe(shorten(text))
    assert not unsafe(shorten([text]))


def test_all_errors_are_of_the_kind_that_does() -> None:
    kinds = [each for each in vars(exceptions).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert all(issubclass(each, LeadMiningError) and each.__str__ is LeadMiningError.__str__ for each in kinds)


@given(texts)
def test_a_log_has_it_on_the_line_that_it_was_put_into(text: str) -> None:
    heard: list[str] = []
    log = logger("lead_mining.test_plain")
    log.propagate = False
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    log.handlers = [handler]
    log.warning("%s: %d of %s: %s", text, 3, [text], ValueError(text))
    log.warning("\n%s", Lines("two\nlines"))
    assert not unsafe(heard[0])
    assert heard[1] == "\ntwo\nlines"
    assert logger("lead_mining.test_plain").filters == log.filters, "asked for twice, it is filtered once"


def test_no_module_logs_past_it() -> None:
    files = [*(ROOT / "include" / "lead_mining").rglob("*.py"), *(ROOT / "dags").glob("*.py")]
    past = [
        file.name
        for file in files
        if file.name != "plain.py"
        and re.search(r"getLogger\(__name__|\bprint\(|logging\.(info|warning|error|exception)\(", file.read_text())
    ]
    assert past == []


@given(texts)
def test_a_runs_summary_story_and_message_show_it_as_text(text: str) -> None:
    came = RunSummary(
        1, text, False, 9, 1, 2, None, 1, 0, 1, (RejectionCount("validate", text, "reject", "company", 1),), 1, 8, text,
        1, 0, text, text, (text,), providers=(ProviderShare(text, 1, 1, 1, 1),),
    )  # fmt: skip
    assert not any(unsafe(cell) for row in came.lines() for cell in row)
    assert len(came.lines()) == len(came.table().split("\n")) - bool(text)
    message = Message(text, (text, text))
    assert not any(map(unsafe, (message.subject, *message.lines)))
    result = {"candidates": 1, "pages": 1, "provider_charged": 1, "stopped": text}
    assert not unsafe(one_line(told("extract", result)))


@given(texts)
def test_the_last_error_in_a_terminal_is_text(text: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
        detail = {"exc_type": "ProviderRejected", "exc_value": text}
        log.write(json.dumps({"level": "error", "event": "x", "error_detail": [detail]}))
        log.flush()
        assert not unsafe(error_in(Path(log.name)))
