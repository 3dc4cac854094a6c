"""Fields of a form, made from the schemas that Airflow's trigger form is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "number", "lines", "tick", "one of few", "one of many", "some of many"]


@dataclass(frozen=True)
class FormField:
    """One field as it is shown. `options`: (value, label) pairs.

    `value`: a list where several can be chosen. `problem`: what is wrong with it, empty where nothing is.
    """

    name: str
    title: str
    help: str
    kind: Kind
    value: Any
    problem: str
    options: Sequence[tuple[str, str]]
    open: bool
    """Whether other values than the options are allowed."""
    required: bool
    least: int | None
    most: int | None

    @property
    def beside_options(self) -> list[str]:
        """Of the values, those that are not among the options."""
        offered = {value for value, _ in self.options}
        return [value for value in self.value or () if value not in offered]

    @property
    def chosen(self) -> str:
        """The labels of what is chosen."""
        return ", ".join([label for value, label in self.options if value in self.value] + self.beside_options)


def form_fields(
    schemas: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, Any],
    problems: Mapping[str, str],
    options: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> dict[str, FormField]:
    """The fields by name. `problems`: what is wrong, by field; `options`: more of them than the schemas have."""
    return {
        name: _field(name, schema, values.get(name), problems.get(name, ""), (options or {}).get(name))
        for name, schema in schemas.items()
    }


def in_sections(
    fields: Mapping[str, FormField], schemas: Mapping[str, Mapping[str, Any]]
) -> dict[str | None, list[FormField]]:
    """The fields by section, in the order of the schemas; None: those of none, which come first."""
    found: dict[str | None, list[FormField]] = {None: []}
    for name, field in fields.items():
        found.setdefault(schemas[name].get("section"), []).append(field)
    return found


def _field(
    name: str, schema: Mapping[str, Any], value: Any, problem: str, options: Sequence[tuple[str, str]] | None
) -> FormField:
    labels = schema.get("values_display", {})
    words = [word for word in schema.get("enum") or schema.get("examples") or () if word is not None]
    offered = options or [(word, labels.get(word, word)) for word in words]
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return FormField(
        name,
        schema["title"],
        schema["description"],
        _kind(types, bool(offered), closed="enum" in schema),
        value,
        problem,
        offered,
        not words,
        ("null" not in types and "array" not in types) or bool(schema.get("minItems")),
        schema.get("minimum"),
        schema.get("maximum"),
    )


def _kind(types: Sequence[str], has_options: bool, closed: bool) -> Kind:
    if "array" in types:
        return "some of many" if has_options else "lines"
    if "boolean" in types:
        return "tick"
    if "integer" in types:
        return "number"
    if closed:
        return "one of many" if "null" in types else "one of few"
    return "text"
