"""The text as a reader of numbers sees it: plain digits and separators, nothing invisible. Pure; it finds nothing itself."""

import unicodedata

# Written between digits to look like a separator; NFKC leaves these as they are.
_ALIKE = {"\u2022": ".", "\u00b7": ".", "\u2219": ".", "\u30fb": ".", "\u2212": "-", "\u2044": "/", "\u2215": "/"}
_KEPT_IN_TABLE = 4_096


def _seen(character: str) -> str | None:
    """One character or none, so that positions can be found again."""
    if character in _ALIKE:
        return _ALIKE[character]
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me"):  # zero-width characters, variation selectors, combining strokes, keycaps
        return None
    if category == "Pd":
        return "-"
    if category == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(character))
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() else character


class _Table(dict[int, str | None]):
    """Filled as characters are met, up to a bound: a stranger's text must not make it grow for ever."""

    def __missing__(self, code: int) -> str | None:
        seen = _seen(chr(code))
        if len(self) < _KEPT_IN_TABLE:
            self[code] = seen
        return seen


_TABLE = _Table({code: chr(code) for code in range(128)})


def view(text: str) -> str:
    """`text` with every digit, dash and space in its ASCII form and without what has no width. Never longer than `text`."""
    return text if text.isascii() else text.translate(_TABLE)


def positions(text: str, seen: str) -> list[int] | None:
    """For each place in `view(text)` its place in `text`, and one more for the end; None where they are the same."""
    if len(text) == len(seen):
        return None
    places = [place for place, character in enumerate(text) if _TABLE[ord(character)] is not None]
    return [*places, len(text)]
