"""The command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from provider_simulator.__main__ import main
from provider_simulator.catalogue import Catalogue


def test_catalogue_writes_as_many_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "some.parquet"
    assert main(["catalogue", "--out", str(out), "--companies", "30", "--seed", "2"]) == 0
    assert len(Catalogue.read(out)) == 30
    assert f"30 companies written to {out}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["catalogue"], ["serve"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "usage: python -m provider_simulator" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: command"),
        (["catalogue"], "--out"),
        (["catalogue", "--out", "x", "--companies", "0"], "from 1 to"),
        (["catalogue", "--out", "x", "--companies", "many"], "whole_number"),
        (["serve", "--state", "x", "--port", "99999"], "from 0 to 65535"),
        (["serve", "--state", "x", "--credits", "-1"], "from 0 to"),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_catalogue_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "companies.txt"
    text.write_text("not parquet")
    for path, complaint in ((text, "not a parquet file"), (tmp_path / "nowhere.parquet", "nowhere.parquet")):
        assert main(["serve", "--state", str(tmp_path / "state.sqlite"), "--catalogue", str(path)]) == 1
        assert complaint in capsys.readouterr().err
