"""The picture of a simulation as SVG: overdue cases day by day, one small panel for all and one for each unit. Pure."""

from collections.abc import Sequence
from datetime import date
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.notifier.simulation import Outcome

_COLUMNS = 3
_WIDTH, _HEIGHT = 250, 150  # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 34, 26, 24  # inside it
_HEAD = 58
# Told apart without colour too: the second is dashed.
_STYLES = (("#1b5e9e", "none"), ("#b8500c", "6 3"))
_INK, _FAINT = "#222222", "#d5d5d5"
ALL = "all cases"


def picture(outcomes: Sequence["Outcome"], units: Sequence[str]) -> str:
    """A self-contained SVG. Each panel has a scale of its own and says so: what two policies do to one unit is what is compared."""
    days = [day.on for day in outcomes[0].days]
    series = {ALL: [[day.overdue for day in outcome.days] for outcome in outcomes]}
    series |= {unit: [[day.by_unit.get(unit, 0) for day in outcome.days] for outcome in outcomes] for unit in units}
    rows = -(-len(series) // _COLUMNS)
    width, height = _COLUMNS * _WIDTH, _HEAD + rows * _HEIGHT + 6
    said = f"Overdue cases at the end of each day, {days[0]:%-d %b %Y} to {days[-1]:%-d %b %Y}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' font-family="Helvetica, Arial, sans-serif" font-size="11" fill="{_INK}">',
        f"<title>{escape(said)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(said)}</text>',
        *_legend(outcomes),
    ]
    for number, (name, lines) in enumerate(series.items()):
        x, y = number % _COLUMNS * _WIDTH, _HEAD + number // _COLUMNS * _HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{_panel(name, lines, days)}</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _top(lines: Sequence[Sequence[int]]) -> int:
    """A round number that no line passes."""
    most = max((value for line in lines for value in line), default=0)
    step = 1
    while True:
        for factor in (2, 4, 6, 8):
            if factor * step >= most:
                return factor * step
        step *= 10


def _legend(outcomes: Sequence["Outcome"]) -> list[str]:
    parts, x = [], 12
    for outcome, (colour, dash) in zip(outcomes, _STYLES, strict=False):
        name = f"{outcome.name} ({outcome.version.partition(' ')[0]})"
        parts.append(f'<line x1="{x}" y1="40" x2="{x + 28}" y2="40" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        parts.append(f'<text x="{x + 34}" y="44">{escape(name)}</text>')
        x += 58 + 7 * len(name)
    return [*parts, f'<text x="{x}" y="44" fill="#666666">each panel has its own scale</text>']


def _panel(name: str, lines: Sequence[Sequence[int]], days: Sequence[date]) -> str:
    top = _top(lines)
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    last = max(1, len(days) - 1)

    def at(day: int, value: float) -> tuple[float, float]:
        return round(_LEFT + wide * day / last, 1), round(_TOP + high * (1 - value / top), 1)

    parts = [f'<text x="{_LEFT}" y="16" font-weight="bold">{escape(name)}</text>']
    for value in (0, top // 2, top):
        _, y = at(0, value)
        parts.append(f'<line x1="{_LEFT}" y1="{y}" x2="{_LEFT + wide}" y2="{y}" stroke="{_FAINT}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4}" text-anchor="end">{value}</text>')
    for day, anchor in ((0, "start"), (len(days) - 1, "end")):
        parts.append(f'<text x="{at(day, 0)[0]}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{days[day]:%-d %b}</text>')
    ends: list[float] = []
    for line, (colour, dash) in zip(lines, _STYLES, strict=False):
        points = " ".join(f"{x},{y}" for x, y in (at(day, value) for day, value in enumerate(line)))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}"/>')
        x, y = at(len(line) - 1, line[-1])
        if not any(abs(y - other) < 11 for other in ends):  # two ends at one height are one number
            parts.append(f'<text x="{x + 4}" y="{y + 4}" fill="{colour}">{line[-1]}</text>')
        elif line[-1] != lines[0][-1]:
            parts.append(f'<text x="{x + 4}" y="{y + 4 + (11 if line[-1] < lines[0][-1] else -11)}" fill="{colour}">{line[-1]}</text>')
        ends.append(y)
    return "".join(parts)
