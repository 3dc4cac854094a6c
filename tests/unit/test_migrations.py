from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from lead_mining import migrations


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A migrations folder of the test's own."""
    monkeypatch.setattr(migrations, "files", lambda package: tmp_path)
    (tmp_path / "migrations").mkdir()
    return tmp_path / "migrations"


def test_ours_are_numbered_from_1_upwards() -> None:
    found = migrations.migrations()
    assert list(found)[:15] == list(range(1, 16))  # later ones may leave numbers out
    assert [name[:4] for name, _ in found.values()] == [f"{number:04}" for number in found]


def test_they_come_in_the_order_of_their_numbers(folder: Path) -> None:
    for name in ("0010_ten.sql", "0002_two.sql", "0001_one.sql"):
        (folder / name).write_text(f"SELECT '{name}', 'ü'", encoding="utf-8")
    assert list(migrations.migrations().items()) == [
        (1, ("0001_one.sql", "SELECT '0001_one.sql', 'ü'")),
        (2, ("0002_two.sql", "SELECT '0002_two.sql', 'ü'")),
        (10, ("0010_ten.sql", "SELECT '0010_ten.sql', 'ü'")),
    ]


def test_files_that_are_no_migrations_are_left_alone(folder: Path) -> None:
    for name in ("0001_one.sql", "readme.md", "1_short.sql", "0002_two.sql.bak", "x0003_three.sql", "0004.sql"):
        (folder / name).write_text("SELECT 1", encoding="utf-8")
    assert list(migrations.migrations()) == [1]


def test_one_number_twice_is_refused(folder: Path) -> None:
    (folder / "0001_one.sql").write_text("SELECT 1", encoding="utf-8")
    (folder / "0001_uno.sql").write_text("SELECT 1", encoding="utf-8")
    with pytest.raises(ValueError, match=r"two migrations have the number 1: 0001_\w+\.sql and 0001_\w+\.sql"):
        migrations.migrations()


def test_the_superusers_file_holds_them_all_as_they_are() -> None:
    made = files("lead_mining.sql").joinpath("role_migrations.sql").read_text(encoding="utf-8")
    assert made == migrations.as_psql(), "run: python -m lead_mining.migrations > include/sql/role_migrations.sql"
    for number, (name, sql) in migrations.migrations().items():
        assert f"CALL pg_temp.apply_migration({number}, '{name}', $migration$\n{sql.rstrip()}\n$migration$);" in made


def test_the_superusers_file_hands_each_over_as_one_text(folder: Path) -> None:
    (folder / "0002_two.sql").write_text("SELECT 'it''s', $$ü$$, :x;\n", encoding="utf-8")
    (folder / "0001_one.sql").write_text("SELECT 1;", encoding="utf-8")
    _, *calls = migrations.as_psql().split("\n\n")
    assert calls == [
        "CALL pg_temp.apply_migration(1, '0001_one.sql', $migration$\nSELECT 1;\n$migration$);",
        "CALL pg_temp.apply_migration(2, '0002_two.sql', $migration$\nSELECT 'it''s', $$ü$$, :x;\n$migration$);\n",
    ]
