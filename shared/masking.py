"""Masks what identifies a person in free text: numbers, addresses and announced names become typed tokens. Pure.

It keeps no originals and does not judge what a text is about. A text is read in its plain view, so that digits in
other scripts, spaced out or with invisible characters between them are found, and masked where they stand in the text.
"""

import re
from dataclasses import dataclass

from shared.masking_names import may_announce, names
from shared.masking_numbers import numbers
from shared.masking_rules import PLATE_END, Span, blanked, emails, passports, plates, shielded, spells_at
from shared.masking_view import positions, view

# Characters above which the caller moves `mask` off the event loop: 0.5 ms of work at this length, 15 ms for a text made to be slow.
LONG_TEXT = 2_000

_TOKENS = {
    "nik": "[NIK]",
    "kk": "[KK]",
    "npwp": "[NPWP]",
    "passport": "[PASPOR]",
    "sim": "[SIM]",
    "nip": "[NIP]",
    "bpjs": "[BPJS]",
    "phone": "[TELEPON]",
    "email": "[EMAIL]",
    "account": "[REKENING]",
    "card": "[KARTU]",
    "plate": "[PLAT]",
    "name": "[NAMA]",
    # Thirteen digits and more that nothing explains: application and billing numbers, identifiers with a slip.
    "number": "[NOMOR]",
}
MASK_KINDS: tuple[str, ...] = tuple(_TOKENS)

_DIGIT = re.compile(r"\d", re.ASCII)
_SIX_DIGITS = re.compile(r"\d(?:[ \t./()_-]*+\d){5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Masked:
    """A text without identifiers; `kinds` names what was found, in the order of MASK_KINDS."""

    text: str
    kinds: tuple[str, ...]


def _may_hold(seen: str) -> bool:
    if "@" in seen:
        return True
    if _DIGIT.search(seen) is not None and (_SIX_DIGITS.search(seen) is not None or PLATE_END.search(seen) is not None):
        return True
    return may_announce(seen) or spells_at(seen)


def needs_masker(text: str) -> bool:
    """The cheap look before `mask`: six digits in a run, an @, the end of a plate, or a word that announces a name."""
    return _may_hold(view(text))


def _found(seen: str) -> list[Span]:
    """What identifies, in the order of reading. Each reader sees what the readers before it took as blanks."""
    spans = list(emails(seen))
    seen = shielded(blanked(seen, spans))
    for reader in (passports, plates):
        taken = list(reader(seen))
        seen = blanked(seen, taken)
        spans += taken
    # Names and numbers are read from the same view: "rekening a.n. … 1234567890" needs its first word for the last.
    spans += names(seen)
    spans += numbers(seen)
    return sorted(spans)


def mask(text: str) -> Masked:
    """The text with typed tokens for what identifies a person. Masking twice changes nothing more."""
    seen = view(text)
    if not _may_hold(seen):
        return Masked(text, ())
    spans = _found(seen)
    if not spans:
        return Masked(text, ())
    places = positions(text, seen)
    parts: list[str] = []
    kinds: set[str] = set()
    done = covered = 0
    for start, end, kind in spans:
        if end <= covered:
            continue
        left = start if places is None else places[start]
        right = end if places is None else places[end - 1] + 1
        if start >= covered:  # what overlaps the span before it goes under that one's token
            parts.append(text[done:left])
            parts.append(_TOKENS[kind])
            kinds.add(kind)
        done, covered = right, end
    parts.append(text[done:])
    return Masked("".join(parts), tuple(kind for kind in MASK_KINDS if kind in kinds))
