"""The pictures of the quarterly account as inline SVG: how each unit's reports stand, and who used the time. Pure.

They are told apart by hatching as well as by colour, and each bar says its numbers.
"""

from collections.abc import Sequence
from html import escape

from services.commands.report_tables import HIDDEN
from services.commands.report_words import HOLDERS, Words
from services.notifier.account_rows import Figure, Row, shares

_WIDTH = 380
_LABEL = 96  # room for a unit's name
_RIGHT = 62  # room for the numbers
_ROW = 24
_INK, _PAPER = "#1f2933", "#ffffff"

# (name, colour, pattern): a pattern is drawn over the colour in white or in ink.
_STANDING = (
    (("dalam batas", "within limit"), "#1b6e53", ""),
    (("lewat batas", "late"), "#b3372a", "slant"),
    (("tak tentu", "undetermined"), "#8a94a3", "dots"),
    (("terbuka", "open"), "#9cc3e6", ""),
    (("terbuka, lewat", "open, overdue"), "#e0a030", "back"),
)
_NAMES = {
    "ordinary": "tanpa pengaw.", "oversight": "pengawasan", "all": "semua", "triage": "meja triase", "other_agency": "instansi lain",
    "undecided": "belum diputus", "history": "riwayat",
}  # fmt: skip
_TIME = {
    "unit": ("#1b5e9e", ""),
    "triage": ("#b8500c", "slant"),
    "router": ("#444c56", ""),
    "reporter": ("#9cc3e6", "dots"),
    "source": ("#c9ced6", "back"),
}
_PATTERNS = (
    '<pattern id="{id}-slant" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="2" height="6" fill="#ffffff" fill-opacity="0.45"/></pattern>'
    '<pattern id="{id}-back" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<rect width="2" height="6" fill="#1f2933" fill-opacity="0.35"/></pattern>'
    '<pattern id="{id}-dots" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<circle cx="2" cy="2" r="1.2" fill="#1f2933" fill-opacity="0.45"/></pattern>'
)


def standing_picture(rows: Sequence[Row], name: str) -> str:
    """A bar for each unit, as long as it has reports: finished within the limit, late, and still open."""
    bars = [(row, parts) for row in rows if (parts := _parts(row)) is None or any(parts)]
    longest = max((sum(parts) for _, parts in bars if parts is not None), default=0) or 1
    said: list[str] = []
    drawn: list[str] = []
    for row, parts in bars:
        if parts is None:
            drawn.append(_hidden())
            said.append(f"{row.key}: {HIDDEN}")
            continue
        scale = (_WIDTH - _LABEL - _RIGHT) / longest
        styles = [(colour, pattern) for _, colour, pattern in _STANDING]
        numbers = f"{_number(parts[0])}/{_number(parts[1])}/{_number(parts[3] + parts[4])}"
        drawn.append(_bar([part * scale for part in parts], styles, name, numbers))
        said.append(f"{row.key}: " + ", ".join(f"{_number(part)} {words[1]}" for part, (words, _, _) in zip(parts, _STANDING, strict=True)))
    title = ("Laporan per unit", "Reports by unit")
    legend = [(words, colour, pattern) for words, colour, pattern in _STANDING]
    return _picture(name, title, [_NAMES.get(row.key, row.key) for row, _ in bars], drawn, legend, said, "dalam batas / lewat / terbuka")


def time_picture(rows: Sequence[Row], name: str) -> str:
    """A bar for each unit, all of one length: who used the working time of its reports up to the answer."""
    bars = [(row, shares(row.figures)) for row in rows if (row.figures["received"] or (1, 1))[0]]
    bars = [(row, parts) for row, parts in bars if parts is not None or "hours_unit" in row.hidden]
    drawn, said = [], []
    for row, parts in bars:
        if parts is None:
            drawn.append(_hidden())
            said.append(f"{row.key}: {HIDDEN}")
            continue
        wide = _WIDTH - _LABEL - _RIGHT
        drawn.append(_bar([part * wide for part in parts.values()], [_TIME[key] for key in parts], name, f"{parts['unit']:.0%}"))
        said.append(f"{row.key}: " + ", ".join(f"{HOLDERS[key][1]} {part:.0%}" for key, part in parts.items()))
    title = ("Siapa memakai waktu", "Who used the time")
    legend = [(words, *_TIME[key]) for key, words in HOLDERS.items()]
    return _picture(name, title, [_NAMES.get(row.key, row.key) for row, _ in bars], drawn, legend, said, "bagian unit")


def _parts(row: Row) -> tuple[float, ...] | None:
    """In the order of `_STANDING`; None where one of them must not be shown."""
    figures = [row.figures[name] for name in ("finished", "finished_in_time", "finished_late", "open", "overdue")]
    found: list[Figure] = [figure for figure in figures if figure is not None]
    if len(found) < len(figures):
        return None
    finished, in_time, late, still, overdue = (figure[0] for figure in found)
    return (in_time, late, finished - in_time - late, still - overdue, overdue)


def _bar(widths: Sequence[float], styles: Sequence[tuple[str, str]], name: str, numbers: str) -> str:
    x, found = float(_LABEL), []
    for width, (colour, pattern) in zip(widths, styles, strict=True):
        if width > 0:
            box = f'x="{x:.1f}" y="5" width="{width:.1f}" height="14"'
            found.append(f'<rect {box} fill="{colour}"/>' + (f'<rect {box} fill="url(#{name}-{pattern})"/>' if pattern else ""))
            x += width
    return "".join(found) + f'<text x="{x + 5:.1f}" y="16">{escape(numbers)}</text>'


def _hidden() -> str:
    return f'<text x="{_LABEL}" y="16" font-style="italic">{HIDDEN} tidak ditampilkan (not shown)</text>'


def _picture(
    name: str,
    title: Words,
    keys: Sequence[str],
    bars: Sequence[str],
    legend: Sequence[tuple[Words, str, str]],
    said: Sequence[str],
    unit: str,
) -> str:
    # Two to a line, each in its own half.
    rows_of_legend = -(-len(legend) // 2)
    head = 22 + 16 * rows_of_legend + 6
    height = head + _ROW * len(bars) + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{name}-t {name}-d"'
        f' font-family="Helvetica, Arial, sans-serif" font-size="10.5" fill="{_INK}">',
        f'<title id="{name}-t">{escape(title[0])} / {escape(title[1])}</title>',
        f'<desc id="{name}-d">{escape("; ".join(said))}</desc>',
        f"<defs>{_PATTERNS.format(id=name)}</defs>",
        f'<rect width="{_WIDTH}" height="{height}" fill="{_PAPER}"/>',
        f'<text x="0" y="13" font-size="12.5" font-weight="bold">{escape(title[0])}'
        f'<tspan font-weight="normal" font-style="italic"> {escape(title[1])}</tspan></text>',
        f'<text x="{_WIDTH}" y="13" text-anchor="end" font-size="9.5">{escape(unit)}</text>',
    ]
    for number, (words, colour, pattern) in enumerate(legend):
        x, y = number % 2 * _WIDTH / 2, 22 + number // 2 * 16
        box = f'x="{x}" y="{y}" width="14" height="10"'
        parts.append(f'<rect {box} fill="{colour}"/>' + (f'<rect {box} fill="url(#{name}-{pattern})"/>' if pattern else ""))
        label = words[0] if words[0] == words[1] else f"{words[0]} ({words[1]})"
        parts.append(f'<text x="{x + 18}" y="{y + 9}" font-size="9.5">{escape(label)}</text>')
    for number, (key, bar) in enumerate(zip(keys, bars, strict=True)):
        label = f'<text x="{_LABEL - 6}" y="16" text-anchor="end">{escape(key)}</text>'
        parts.append(f'<g transform="translate(0 {head + _ROW * number})">{label}{bar}</g>')
    return "".join([*parts, "</svg>"])


def _number(value: float) -> str:
    return f"{value:.0f}"
