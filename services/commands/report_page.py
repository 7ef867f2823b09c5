"""The quarterly account as one HTML page that needs nothing else: no script, no font and no picture from elsewhere. Pure."""

from collections.abc import Sequence
from html import escape

from services.commands.report_pictures import standing_picture, time_picture
from services.commands.report_tables import Report
from services.commands.report_words import COLUMNS, DIMENSIONS, GROUPS, NOTES, SHARES, Words, cell, key_words, unit_share
from services.notifier.account import ZONE
from services.notifier.account_rows import Dimension, Row
from shared.units import UnitDirectory

# Of the columns, in percent.
WIDTHS = (13.4, 7, 6.6, 8.6, 8.6, 8.2, 7.4, 9.8, 9, 7.4, 7.8, 8.2)
_STYLE = """
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:64rem;font:15px/1.4 Helvetica,Arial,'Liberation Sans',sans-serif;color:#1f2933;background:#fff}
h1{font-size:1.4rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:1.6rem 0 .4rem;border-bottom:2px solid #1b5e9e}
h3{font-size:1rem;margin:1.1rem 0 .3rem}i{font-weight:normal;color:#4a5561}
.about{margin:.1rem 0;color:#4a5561}
.pictures{display:grid;grid-template-columns:1fr 1fr;gap:1rem;align-items:start}
svg{width:100%;height:auto;display:block;border:1px solid #d5dae0;padding:6px}
table{border-collapse:collapse;width:100%;table-layout:fixed;font-size:.8rem;font-variant-numeric:tabular-nums}
th,td{border:1px solid #d5dae0;padding:.25rem .35rem;text-align:right;vertical-align:top}
th{background:#eef2f6;font-weight:bold;overflow-wrap:break-word;font-size:.66rem}th i{display:block;font-size:.64rem}
th:first-child{text-align:left}th[scope=row]{background:none;font-size:.78rem}
td b{font-weight:normal;white-space:nowrap}
tr.o>*{background:#faf5ec}
ol{padding-left:1.2rem;font-size:.85rem}
@media (max-width:700px){
body{padding:.6rem;font-size:14px}
.pictures{grid-template-columns:1fr}
thead{position:absolute;left:-9999px}
table,tbody,tr,td,th[scope=row]{display:block;width:100%}
tr{border:1px solid #b9c1ca;margin-bottom:.6rem}
td{border:0;border-bottom:1px solid #e6eaee;display:flex;justify-content:space-between;gap:1rem}
col{display:none}th[scope=row]{background:#eef2f6;border:0;font-size:.9rem}th[scope=row] i{display:inline}
td span{white-space:nowrap}
td::before{content:attr(data-label);text-align:left;color:#4a5561}
td.z{display:none}
}
@page{size:A4;margin:12mm}
@media print{
body{padding:0;max-width:none;font-size:10pt}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
table{font-size:7pt}th{font-size:5.8pt}th[scope=row]{font-size:6.4pt}th i{font-size:5.6pt}th,td{padding:.15rem .15rem}
tr,svg{break-inside:avoid}h2,h3{break-after:avoid}thead{display:table-header-group}
}
"""


def page(report: Report, directory: UnitDirectory) -> str:
    quarter = report.quarter
    last = report.quarter.end.astimezone(ZONE)
    parts = [
        '<!DOCTYPE html><html lang="id"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Laporan triwulan {quarter}: pengelolaan pengaduan</title><style>{_STYLE}</style></head><body>",
        f'<h1>Laporan triwulan {quarter}: pengelolaan pengaduan SP4N-LAPOR! <i lang="en">Quarterly account of complaints handling</i></h1>',
        f'<p class="about">{quarter.start.astimezone(ZONE):%d.%m.%Y} – sebelum {last:%d.%m.%Y} WIB <i lang="en">(before)</i> · '
        f'keadaan per <i lang="en">as of</i> {report.as_of.astimezone(ZONE):%d.%m.%Y %H:%M} WIB · '
        f'kebijakan dan kalender <i lang="en">policies and calendar</i> {escape(report.versions)}</p>',
    ]
    for group, words in GROUPS.items():
        tables = report.tables[group]
        parts.append(f"<h2>{_both(words)}</h2>")
        units = tables["unit"]
        pictures = standing_picture(units, f"{group}-reports") + time_picture([*tables["total"], *units], f"{group}-time")
        parts.append(f'<div class="pictures">{pictures}</div>')
        for dimension, rows in tables.items():
            parts.append(f"<h3>{_both(DIMENSIONS[dimension])}</h3>")
            parts.append(_table(dimension, rows, directory))
    notes = "".join(f'<li>{escape(own)} <i lang="en">{escape(english)}</i></li>' for own, english in NOTES)
    parts.append(f"<h2>{_both(('Keterangan', 'Notes'))}</h2><ol>{notes}</ol></body></html>\n")
    return "\n".join(parts)


def _both(words: Words) -> str:
    own, english = words
    return escape(own) + (f' <i lang="en">{escape(english)}</i>' if english and english != own else "")


def _table(dimension: Dimension, rows: Sequence[Row], directory: UnitDirectory) -> str:
    head = "".join(f'<th scope="col">{_both(words)}</th>' for words in (("", ""), *(words for words, _, _ in COLUMNS), SHARES))
    body = []
    for row in rows:
        cells = [f'<th scope="row">{_both(key_words(dimension, row, directory))}</th>']
        cells += [_cell(words, cell(row, first, second)) for words, first, second in COLUMNS]
        cells.append(_cell(SHARES, unit_share(row)))
        body.append(f"<tr{' class=o' if row.is_oversight else ''}>{''.join(cells)}</tr>")
    widths = "".join(f'<col style="width:{width}%">' for width in WIDTHS)
    return f"<table><colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _cell(words: Words, text: str) -> str:
    """Broken only between its figures; on a narrow screen what is nothing is left out."""
    is_nothing = text in ("", "0", "0 · 0")
    inner = " · ".join(f"<b>{escape(part)}</b>" for part in text.split(" · ")) if text else ""
    return f'<td{" class=z" if is_nothing else ""} data-label="{escape(" / ".join(words))}"><span>{inner}</span></td>'
