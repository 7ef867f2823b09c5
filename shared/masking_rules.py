"""What in a text is an e-mail address, a passport, a plate, and what only looks like an identifier. Pure; works on the plain view.

Found parts are blanked with `[`, as the token that will stand there begins, so that a second masking sees what the first saw.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

RULES: dict[str, Any] = tomllib.loads((Path(__file__).parent / "data" / "masking.toml").read_text(encoding="utf-8"))
BLANK = "["
# Neither digit, letter nor separator: what is never masked, taken out of the digit readers' sight.
SHIELD = "#"
_CUE_WINDOW = 60


class Span(NamedTuple):
    """A found identifier: where it is in the view, and its kind."""

    start: int
    end: int
    kind: str


def words(cues: list[str]) -> str:
    """An alternation of cue words, the longest first; a space between words may be two or a tab."""
    longest_first = sorted(cues, key=len, reverse=True)
    return "|".join(re.sub(r"(?<=[A-Za-z])\\ (?=[A-Za-z])", r"[ \\t]{1,2}", re.escape(cue)) for cue in longest_first)


# A token left by an earlier masking is no cue and no neighbour: hence the brackets in every boundary.
_CUE = re.compile(
    r"(?<![A-Za-z0-9\]\[])(?:" + "|".join(f"(?P<{kind}>{words(cues)})" for kind, cues in RULES["cues"].items()) + r")(?:nya)?(?![A-Za-z])",
    re.ASCII | re.IGNORECASE,
)
_BREAK = re.compile(r"[0-9\[\]]")


def cue_before(seen: str, place: int) -> tuple[str, int] | None:
    """The nearest cue word before a place and how far it is; None where there is none or a number lies between.

    A token between counts as the cue `other`: what stood there may have been one, and a second masking must not find
    what the first left alone.
    """
    from_, broken = max(0, place - _CUE_WINDOW), ""
    for stop in _BREAK.finditer(seen, from_, place):
        from_, broken = stop.end(), stop.group()
    last: re.Match[str] | None = None
    for cue in _CUE.finditer(seen, from_, place):
        last = cue
    if last is not None and last.lastgroup is not None:
        return last.lastgroup, place - last.end()
    return ("other", place - from_) if broken and broken in "[]" else None


def blanked(seen: str, spans: list[Span]) -> str:
    """The view with found parts made unreadable, its length unchanged."""
    if not spans:
        return seen
    parts: list[str] = []
    done = 0
    for start, end, _ in sorted(spans):
        if end > done:
            from_ = max(start, done)
            parts.append(seen[done:from_])
            parts.append(BLANK * (end - from_))
            done = end
    parts.append(seen[done:])
    return "".join(parts)


# --- e-mail ---------------------------------------------------------------------------------------------------------

_SPELLED_AT = re.compile(r"[(\[{] ?[Aa][Tt] ?[)\]}]")
_AT = re.compile(r"@|" + _SPELLED_AT.pattern)
_DOT = r"(?:\.| ?[(\[{] ?[Dd][Oo][Tt] ?[)\]}] ?)"
# What is glued to the last part ("gmail.com0812…") is not of it.
_DOMAIN = re.compile(rf"[A-Za-z0-9-]{{1,63}}(?:{_DOT}[A-Za-z0-9-]{{1,63}}){{0,5}}{_DOT}[A-Za-z]{{2,24}}(?![A-Za-z])")
# Written with spaces around the @, or without the last part: only where the provider says that it is an address.
_PROVIDERS = "gmail|yahoo|ymail|hotmail|outlook|icloud|live|rocketmail|proton"
_PROVIDER = re.compile(rf" {{0,2}}(?:{_PROVIDERS})(?:\.[A-Za-z]{{2,4}}){{0,2}}(?![A-Za-z0-9-])", re.IGNORECASE)
_LOCAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-")


def spells_at(seen: str) -> bool:
    """Whether an @ is written out."""
    return ("(" in seen or "[" in seen or "{" in seen) and _SPELLED_AT.search(seen) is not None


def emails(seen: str) -> Iterator[Span]:
    """Addresses with an @ (or "(at)") between a name and a domain; a handle such as @lapor1708 is none."""
    if "@" not in seen and not spells_at(seen):
        return
    for at in _AT.finditer(seen):
        name_end = at.start()
        domain = _DOMAIN.match(seen, at.end())
        if domain is None or len(at.group()) > 1 or seen[name_end - 1 : name_end] == " ":
            provider = _PROVIDER.match(seen, at.end())
            if provider is not None:
                domain = provider
                while name_end > 0 and at.start() - name_end < 2 and seen[name_end - 1] == " ":
                    name_end -= 1
            elif len(at.group()) > 1 and seen[name_end - 1 : name_end] == " ":
                name_end -= 1
        start = name_end
        while start > 0 and seen[start - 1] in _LOCAL:
            start -= 1
        if domain is not None and start < name_end:
            yield Span(start, domain.end(), "email")


# --- what is never masked -------------------------------------------------------------------------------------------

_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d{2}"
_HOUR = r"(?:[01]?\d|2[0-3])[.:][0-5]\d(?:[.:][0-5]\d)?"
_FIGURE = re.compile(
    "|".join(
        (
            # 12/05/2024, 12-5-24, 12 - 05 - 2024; not the first groups of a longer number
            rf"(?<![\d])(?<!\d[./-]){_DAY}(?P<a> ?[./-] ?){_MONTH}(?P=a)(?:{_YEAR}|\d{{2}})(?![./-]?\d)",
            rf"(?<![\d])(?<!\d[./-]){_YEAR}(?P<b>[./-]){_MONTH}(?P=b){_DAY}(?![./-]?\d)",
            # 20240512_140533, as cameras and registers write it
            r"(?<!\d)20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])_?(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?(?!\d)",
            # 08.00-16.00, 08.00 s/d 16.00, 14.05 WIB
            rf"(?<![\d.]){_HOUR}\s?(?:-|s/d|s\.d\.|sampai)\s?{_HOUR}(?![.-]?\d)",
            rf"(?<![\d.]){_HOUR}\s?(?:[Ww][Ii][Bb]|[Ww][Ii][Tt][Aa]?)\b",
            # 1.500.000 and 1,500,000.00 without a currency; not the end of a longer number
            r"(?<![\d.,-])[1-9]\d{0,2}(?:\.\d{3})++(?:,\d{1,2}|,-)?(?![\d]|[.-]\d)",
            r"(?<![\d.,-])[1-9]\d{0,2}(?:,\d{3})++(?:\.\d{1,2})?(?![\d]|[.-]\d)",
            # 15000000 rupiah, 500 juta
            r"(?<![\d.,-])\d[\d.,]{0,20}+ ?(?:[Rr]upiah|[Rr]ibu|[Rr][Bb]|[Jj]uta|[Jj][Tt]|[Mm]ili?[ay]r)\b",
            # a pair of coordinates
            r"(?<![\d.])-?\d{1,3}\.\d{4,17}\s{0,2},\s{0,2}-?\d{1,3}\.\d{4,17}(?![\d.])",
        )
    ),
    re.ASCII,
)
# Each begins with its first letter and only then looks behind: the search skips to those letters.
_MONEY = re.compile(r"[RI](?<![A-Z][RI])(?:P|DR)\.? {0,2}(?:\d{1,3}(?: \d{3}){1,4}+(?![\d.,])|\d[\d.,]{0,24})", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(rf"[JP](?<![A-Z][JP])(?:AM|UKUL|KL\.?) {{0,2}}{_HOUR}", re.ASCII | re.IGNORECASE)


# A search over the whole text would try every kind of figure at every letter: 200 µs for 400 characters instead of 20.
_FIGURES = re.compile(r"-?\d[\d \t.,:/_-]{3,}+", re.ASCII)
_UNIT_AFTER = 24  # characters: " s/d 16.00", " rupiah"


def _shield(found: re.Match[str]) -> str:
    return SHIELD * len(found.group())


def shielded(seen: str) -> str:
    """The view with dates, times, amounts and coordinates taken out, so that no reader joins them to a number beside them."""
    seen = _CLOCK.sub(_shield, _MONEY.sub(_shield, seen))
    parts: list[str] = []
    done = 0
    for run in _FIGURES.finditer(seen):
        for figure in _FIGURE.finditer(seen, max(done, run.start()), min(len(seen), run.end() + _UNIT_AFTER)):
            if figure.start() >= run.end():
                break
            parts.append(seen[done : figure.start()])
            parts.append(SHIELD * (figure.end() - figure.start()))
            done = figure.end()
    return "".join((*parts, seen[done:])) if done else seen


# --- a letter or two, then digits -----------------------------------------------------------------------------------

_AFTER_LETTERS = r"\d(?:(?<=[A-Za-z]\d)|(?<=[A-Za-z][ -]\d))"
_PASSPORT_DIGITS = re.compile(_AFTER_LETTERS + r"(?:[ .-]?\d){5,7}(?![A-Za-z0-9\[])", re.ASCII)
_PASSPORT_LETTERS = re.compile(r"(?<![A-Za-z0-9\]])[A-Za-z]{1,2}[ -]?\Z")
_NOT_PASSPORT_LETTERS = {"no", "nr", "id", "ke", "di", "rp"}


def passports(seen: str) -> Iterator[Span]:
    """One or two letters and six to eight digits, where the word for passport is the nearest before them."""
    for digits in _PASSPORT_DIGITS.finditer(seen):
        letters = _PASSPORT_LETTERS.search(seen, max(0, digits.start() - 4), digits.start())
        if letters is None:
            continue
        glued = letters.group()[-1:].isalpha()
        written = letters.group().rstrip(" -")
        if written.lower() in _NOT_PASSPORT_LETTERS or not (glued or written.isupper()):
            continue
        cue = cue_before(seen, letters.start())
        if cue is not None and cue[0] == "passport":
            yield Span(letters.start(), digits.end(), "passport")


# Region codes of Indonesian plates (TNKB).
_REGIONS = (
    "AA|AB|AD|AE|AG|BA|BB|BD|BE|BG|BH|BK|BL|BM|BN|BP|DA|DB|DC|DD|DE|DG|DH|DK|DL|DM|DN|DP|DR|DS|DT|EA|EB|ED|KB|KH|KT|KU|"
    "PA|PB|A|B|D|E|F|G|H|K|L|M|N|P|R|S|T|W|Z"
)
PLATE_END = re.compile(_AFTER_LETTERS + r"\d{0,3}(?:[ -]|(?=[A-Za-z]))[A-Za-z]{1,3}(?![A-Za-z0-9\[])", re.ASCII)
_PLATE_REGION = re.compile(rf"(?<![A-Za-z0-9\]])(?:{_REGIONS})[ -]?\Z", re.IGNORECASE)
_NOT_A_PLATE_END = frozenset(RULES["plates"]["not_endings"])
_NOT_BEFORE_A_PLATE = re.compile(rf"(?:{words(RULES['plates']['not_after'])})[ .:]{{0,2}}\Z", re.ASCII | re.IGNORECASE)


def plates(seen: str) -> Iterator[Span]:
    """DH 1234 AB: anywhere if in capitals with three or four digits, else where a word for a vehicle is the nearest before it."""
    for end in PLATE_END.finditer(seen):
        region = _PLATE_REGION.search(seen, max(0, end.start() - 4), end.start())
        if region is None:
            continue
        digits = sum(character.isdigit() for character in end.group())
        letters = end.group()[digits:].strip(" -")
        if letters.lower() in _NOT_A_PLATE_END:
            continue
        cue = cue_before(seen, region.start())
        named = cue is not None and cue[0] == "plate"
        whole = region.group() + end.group()
        alone = whole.isupper() and digits >= 3 and " " in whole and len(letters) >= 2
        # A room may have three digits, not four.
        room = digits < 4 and _NOT_BEFORE_A_PLATE.search(seen, max(0, region.start() - 12), region.start())
        if named or (alone and not room):
            yield Span(region.start(), end.end(), "plate")
