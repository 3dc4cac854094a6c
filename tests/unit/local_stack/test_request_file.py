from __future__ import annotations

from pathlib import Path

import pytest

from local_stack.errors import RequestFileError
from local_stack.request_file import FIRST_REQUEST, read_request


def test_first_request_is_valid() -> None:
    assert read_request(FIRST_REQUEST)["lead_number"] == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("countries: [US]\nlead_number: many", "lead_number: 'many' is not allowed"),
        ("countries: [US]\nleadnumber: 3", "leadnumber.*did you mean 'lead_number'"),
        ("countries: [NO]", '"NO" in quotes'),
        ("- countries", "holds list"),
        ("", "holds NoneType"),
        ("countries: [US", "is not YAML"),
        ("countries: !!python/object/apply:os.system ['true']", "is not YAML"),
        ("1: 2", "."),
    ],
)
def test_wrong_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "my request.yaml"
    file.write_text(text)

    with pytest.raises(RequestFileError, match=message) as caught:
        read_request(file)
    assert str(file) in str(caught.value)


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestFileError, match=r"absent\.yaml: No such file"):
        read_request(tmp_path / "absent.yaml")


def test_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(RequestFileError, match=r"binary\.yaml"):
        read_request(tmp_path / "binary.yaml")
