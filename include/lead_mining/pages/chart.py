"""Pictures of figures over time, as SVG without scripts, drawn by pygal, in the colours of the page around them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

# Told apart by people who see colours differently too (Okabe and Ito); readable on white and on black.
_COLOURS = ("#0a84d0", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#7a7aff", "#8c8c8c")
MOST_SERIES = len(_COLOURS)


def lines(series: Mapping[str, Sequence[tuple[dt.datetime, float]]], title: str) -> str:
    """A line a series, with a dot a point. Values go to 100; the axis begins at a round one below the least."""
    import pygal

    points = [point for each in series.values() for point in each]
    span = max(at for at, _ in points) - min(at for at, _ in points)
    least = min(value for _, value in points)
    chart = pygal.DateTimeLine(
        range=(max(0, 10 * (least // 10) - 10), 100),
        title=title,
        x_value_formatter=lambda at: at.strftime("%d %b %Y" if span.days > 3 else "%d %b %H:%M"),
        value_formatter=lambda value: f"{value:.0f} %",
        x_label_rotation=20,
        dots_size=4,
        **_look(),
    )
    return _drawn(
        chart,
        {
            name: [(at.astimezone(dt.UTC).replace(tzinfo=None), value) for at, value in each]
            for name, each in series.items()
        },
    )


def bars(series: Mapping[str, Sequence[int]], labels: Sequence[str], title: str) -> str:
    """A bar a label, in which the series stand on one another; each has a value a label."""
    import pygal

    chart = pygal.StackedBar(title=title, x_labels=labels, value_formatter=lambda value: f"{value:,.0f}", **_look())
    return _drawn(chart, series)


def _look() -> dict[str, Any]:
    from pygal.style import Style

    return {
        "width": 1000,
        "height": 340,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 2,
        "truncate_legend": 60,
        "disable_xml_declaration": True,
        "style": Style(
            background="transparent",
            plot_background="transparent",
            foreground="currentColor",
            foreground_strong="currentColor",
            foreground_subtle="currentColor",
            guide_stroke_color="#8885",
            major_guide_stroke_color="#8889",
            font_family="inherit",
            label_font_size=12,
            major_label_font_size=12,
            legend_font_size=13,
            title_font_size=15,
            colors=_COLOURS,
        ),
    }


def _drawn(chart: Any, series: Mapping[str, Sequence[Any]]) -> str:
    chart.add_xml_filter(_without_scripts)
    for name, each in series.items():
        chart.add(name, each)
    return str(chart.render(is_unicode=True))


def _without_scripts(svg: Any) -> Any:
    """Without pygal's script for tooltips, and with a role and a name for who cannot see it."""
    for parent in list(svg.iter()):
        for child in list(parent):
            if child.tag == "script" or str(child.tag).endswith("}script"):
                parent.remove(child)
    svg.set("role", "img")
    svg.set("aria-label", "The figures of the picture stand in the table below it")
    return svg
