"""Saved searches: mining requests that are run by themselves, one YAML file each.

They stand in the folder LEAD_MINING_SEARCHES, by default `include/searches`; README.md there says how one looks.
DAG files import this module, so it imports nothing heavy.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from croniter import croniter
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from lead_mining.exceptions import FieldProblem, InvalidRequest, SearchFileError
from lead_mining.input_files import read_text
from lead_mining.request import MiningRequest, problems_of
from lead_mining.request_words import Text

# Params of the DAG that have a place of their own in the file.
_OWN_FIELDS = {"saved_search": "name", "search_budget": "budget", "notify": "notify"}
_BARE_NO = 'write "NO" in quotes: YAML reads a bare NO as false'


def _at_most_daily(cron: str) -> str:
    if len(cron.split()) not in (1, 5):  # more are seconds and years
        raise PydanticCustomError("cron", "use five fields, as in 0 3 * * 1-5")
    try:
        schedule = croniter(cron)
        schedule.get_next()  # a 31st of February never comes
        minutes, hours, *_ = schedule.expanded
    except ValueError as error:
        raise PydanticCustomError("cron", "use five fields, as in 0 3 * * 1-5: {why}", {"why": str(error)}) from None
    if len(minutes) > 1 or len(hours) > 1 or "*" in (minutes[0], hours[0]):
        raise PydanticCustomError("cron", "once a day is the most: give one minute and one hour, as in 0 3 * * *")
    return cron


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones
        raise PydanticCustomError("timezone", "use a name of the tz database, such as Europe/Berlin") from None
    return name


class Schedule(BaseModel):
    """When a search is due: five cron fields, read in a time zone of the tz database. Once a day at most."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cron: Annotated[str, AfterValidator(_at_most_daily)]
    timezone: Annotated[str, AfterValidator(_time_zone)] = "UTC"

    def next_after(self, moment: dt.datetime) -> dt.datetime:
        """The next time that it is due, in its own time zone."""
        found: dt.datetime = croniter(self.cron, moment.astimezone(self.zone)).get_next(dt.datetime)
        return found

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class _File(BaseModel):
    """What a file may hold. What the DAG's params check is checked by these."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Text
    owner: Text
    schedule: Schedule
    budget: Any = None
    notify: Any = None
    params: dict[str, Any]


@dataclass(frozen=True)
class SavedSearch:
    """A saved search. `key`: its file's name without the ending; `conf`: params of the DAG `lead_mining`."""

    key: str
    name: str
    owner: str
    schedule: Schedule
    conf: Mapping[str, Any]

    @property
    def request(self) -> MiningRequest:
        return MiningRequest.parse(self.conf)

    def run_id(self, date: dt.date) -> str:
        """The run of `lead_mining` that mines it for a date, which is one in its own time zone."""
        return f"saved_search__{self.key}__{date.isoformat()}"


@dataclass(frozen=True)
class BrokenSearch:
    """A file that holds no saved search. `problems`: where each stands and what is wrong, in the order of the lines."""

    key: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.problems)


def folder() -> Path:
    """Where saved searches stand: LEAD_MINING_SEARCHES, by default `searches` beside the package."""
    return Path(os.environ.get("LEAD_MINING_SEARCHES") or Path(__file__).parents[1] / "searches")


def read_all() -> list[SavedSearch | BrokenSearch]:
    """All saved searches, in the order of their files' names. A broken one stops none of the others."""
    found: list[SavedSearch | BrokenSearch] = []
    files_by_name: dict[str, str] = {}
    for path in sorted(path for path in folder().glob("*.y*ml") if path.suffix in (".yaml", ".yml")):
        try:
            search = read(path)
            if (other := files_by_name.setdefault(search.name, path.name)) != path.name:
                raise SearchFileError([f"{path.name}: {other} has the name {search.name!r} too; give each its own"])
            found.append(search)
        except SearchFileError as error:
            found.append(BrokenSearch(path.stem, error.problems))
    return found


def read(path: Path) -> SavedSearch:
    """The saved search in a file. Raises SearchFileError, which names file, line and field of all that is wrong."""
    if not re.fullmatch(r"[a-z0-9_]{1,100}", path.stem):
        raise SearchFileError([f"{path.name}: name the file with a to z, 0 to 9 and _, as in german_software.yaml"])
    try:
        text = read_text(path)
        lines = _lines(yaml.compose(text, yaml.SafeLoader))
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SearchFileError([f"{path.name}, line {line}: this is not YAML: {error.problem}"]) from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SearchFileError([f"{path.name} cannot be read: {type(error).__name__}: {error}"]) from None
    if not isinstance(content, dict):
        raise SearchFileError([f"{path.name}, line 1: write `name: value` lines; README.md beside it shows how"])
    if problems := _problems(content):
        placed = sorted((_line(lines, problem.field), str(problem)) for problem in problems)
        raise SearchFileError([f"{path.name}, line {line}, {problem}" for line, problem in placed])
    file = _File.model_validate(content)
    return SavedSearch(path.stem, file.name, file.owner, file.schedule, _conf(content))


def _conf(content: Mapping[str, Any]) -> dict[str, Any]:
    """The DAG's params, as far as the file has them."""
    own = {param: content[field] for param, field in _OWN_FIELDS.items() if content.get(field) is not None}
    return {**(content.get("params") or {}), **own}


def _problems(content: Mapping[str, Any]) -> list[FieldProblem]:
    found: dict[str, FieldProblem] = {}
    try:
        _File.model_validate(content)
    except ValidationError as error:
        found = {problem.field: problem for problem in problems_of(error, _File.model_fields)}
    if "params" in found:
        return list(found.values())
    for param in _OWN_FIELDS.keys() & content["params"].keys():
        problem = FieldProblem(f"params.{param}", content["params"][param], f"write it as {_OWN_FIELDS[param]}, above")
        found[problem.field] = problem
    try:
        MiningRequest.parse({"saved_search": "missing"} | _conf(content))
    except InvalidRequest as error:
        for problem in map(_in_the_file, error.problems):
            found.setdefault(problem.field, problem)
    return list(found.values())


def _in_the_file(problem: FieldProblem) -> FieldProblem:
    """A problem with a param, as one of the file's field."""
    param, _, rest = problem.field.partition(".")
    field = _OWN_FIELDS.get(param) or f"params.{param}"
    norway = param == "countries" and problem.value is False
    return FieldProblem(f"{field}.{rest}" if rest else field, problem.value, _BARE_NO if norway else problem.allowed)


def _lines(node: yaml.Node | None, path: str = "", depth: int = 5) -> dict[str, int]:
    """Field (`params.countries.0`) to the line it stands on. Raises MarkedYAMLError where a field stands twice."""
    found: dict[str, int] = {}
    inside: list[tuple[str, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode) and depth:
        inside = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode) and depth:
        inside = [(str(number), item, item) for number, item in enumerate(node.value)]
    for name, place, value in inside:
        field, line = f"{path}{name}", place.start_mark.line + 1
        if field in found:
            raise yaml.MarkedYAMLError(problem=f"{field} stands twice", problem_mark=place.start_mark)
        found |= {field: line} | _lines(value, f"{field}.", depth - 1)
    return found


def _line(lines: Mapping[str, int], field: str) -> int:
    """Of the field, or, where it is missing, of what it belongs to."""
    while field and field not in lines:
        field = field.rpartition(".")[0]
    return lines.get(field, 1)


def as_file(conf: Mapping[str, Any]) -> str:
    """A file that mines the same every working day. `conf`: params of the DAG; whose it is, a person fills in."""
    own = {field: conf[param] for param, field in _OWN_FIELDS.items() if param in conf}
    content = {
        "name": own.pop("name", "Name of the search"),
        "owner": "Who answers for it",
        "schedule": {"cron": "0 3 * * 1-5", "timezone": "UTC"},
        **own,
        "params": {param: value for param, value in conf.items() if param not in _OWN_FIELDS},
    }
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
