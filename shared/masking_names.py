"""Names of people, at high confidence only: after words that announce one. Pure; works on the plain, shielded view.

lokal-id gives the lists of common names. Its own name finder is not used: in complaints it takes "nama saya dicoret"
and "dapat menindaklanjuti keluhan" for names, and a mask there changes what the report says.
"""

import re
from collections.abc import Iterator

from lokal.samaran._names import AMBIGUOUS_GIVEN_NAMES, BALINESE_NAMES, FAMILY_NAMES, GIVEN_NAMES, SECOND_NAMES

from shared.masking_rules import RULES, Span, words

_NAMES = RULES["names"]
_STEMS: tuple[str, ...] = tuple(_NAMES["stems"])
# "an" in front of a name: too common inside words to be a stem. For lowered text; the letters lead, so that the search skips to them.
_AN = re.compile(r"an(?<![a-z0-9\]]an)(?![a-z])")
for _cue in _NAMES["cues"]:
    if not (_AN.search(_cue) or any(stem in _cue for stem in _STEMS)):
        raise ValueError(f"masking.toml: no stem for the cue {_cue!r}")

_ANNOUNCED = re.compile(
    r"(?<![A-Za-z0-9\]])(?:(?P<form>nama(?: (?:lengkap|pemohon|pelapor|terlapor|saya|anak|wbp|narapidana|petugas))?[ \t]{0,6}[:=])|(?P<cue>"
    + words(_NAMES["cues"])
    + r"))(?![A-Za-z])\.?[ \t]{0,3}[:=,]?[ \t]{0,3}(?:\n[ \t\n]{0,4})?",
    re.ASCII | re.IGNORECASE,
)
_SELF = re.compile(r"aya(?<=[Ss]aya)(?<![A-Za-z\]][Ss]aya),?[ \t]{1,3}(?=[A-Z][a-z]+[ \t]{1,3}[A-Z])", re.ASCII)
_THING_BEFORE = re.compile(r"(?<![A-Za-z])(?:" + words(_NAMES["things"]) + r")(?:nya)?(?: yang)?[ \t]+\Z", re.ASCII | re.IGNORECASE)
_MAY_NAME_THINGS = frozenset({"bernama", "namanya", "dengan nama", "atas nama"})
# Too short or too common to announce a name by themselves: only a common one.
_WEAK = frozenset({"an", "saudara", "saudari"})

_GIVEN = GIVEN_NAMES | AMBIGUOUS_GIVEN_NAMES | BALINESE_NAMES
_KNOWN = _GIVEN | FAMILY_NAMES | SECOND_NAMES
_NOT_NAMES = frozenset(_NAMES["not_names"])
_TITLES = frozenset(_NAMES["titles"])
_PARTICLES = frozenset({"bin", "binti", "van", "der", "de", "da", "dos", "al", "el"})
_VERB = re.compile(r"(?:me[mn]?|di|ber|ter|pe[mnr]?|ke)[a-z]{4,}")
_WORD = re.compile(r"[ \t]{0,2}([A-Za-z][A-Za-z'\u2019-]*\.?)")
# "I Made …", where "I" alone is no name.
_BALINESE = re.compile(r"I[ \t](?=(?:" + "|".join(sorted(BALINESE_NAMES)) + r")\b)", re.ASCII | re.IGNORECASE)
_INNER_CAPITAL = re.compile(r"[A-Za-z]{2,}[ \t]+[A-Z]")
_LONGEST = 8  # words, titles in front included


def may_announce(seen: str) -> bool:
    """Whether any cue can be in the text. Much cheaper than to look for them."""
    lowered = seen.lower()
    # A loop, not any(): a generator takes three times as long.
    for stem in _STEMS:
        if stem in lowered:
            return True
    return _AN.search(lowered) is not None or _SELF.search(seen) is not None


def _read(seen: str, place: int, *, shouted: bool = False) -> tuple[int, int, bool] | None:
    """The name that begins at a place: its start, its end, and whether a word of it is a common name.

    A word belongs to it if it has a capital or is a common name. Where a capital says nothing (`shouted`: all in
    capitals, or a title in Title Case) the first word must be a common name, and one uncommon word may follow.
    """
    balinese = _BALINESE.match(seen, place)
    start = -1 if balinese is None else place
    place = place if balinese is None else balinese.end()
    end, known, strange, lowered = -1, False, 0, 0
    for _ in range(_LONGEST):
        word = _WORD.match(seen, place)
        if word is None:
            break
        place = word.end()
        written = word.group(1)
        bare = written.rstrip(".").lower()
        if end < 0 and bare in _TITLES:
            continue
        if end >= 0 and bare in _PARTICLES:
            continue
        if bare in _NOT_NAMES or bare.split("-")[0] in _NOT_NAMES or bare.endswith("nya"):
            break
        common, initial = bare in _KNOWN, len(bare) == 1
        if not written[0].isupper():
            if not common or (end < 0 and bare not in _GIVEN):
                break
            lowered += bare not in GIVEN_NAMES
        elif shouted and not common and not initial:
            strange += 1
            if not known or strange > 1 or _VERB.fullmatch(bare):
                break
        start = word.start(1) if start < 0 else start
        # "… Budi." ends with its sentence, "Rudi H." does not.
        end = word.end(1) - (written[-1] == "." and not initial)
        known = known or common
        if written[-1] == "." and not initial:
            break
    if end < 0 or (lowered == 1 and " " not in seen[start:end]) or end - start < 2:
        return None
    return start, end, known


def _announced(seen: str, cue: re.Match[str]) -> Span | None:
    """The name after a cue, if what follows is one."""
    said = cue.group("cue") or cue.group("form")
    shouted = cue.group("form") is None and (_INNER_CAPITAL.search(said) is not None or (len(said) > 4 and said.isupper()))
    found = _read(seen, cue.end(), shouted=shouted)
    if found is None:
        return None
    start, end, known = found
    if not known:
        acronym = seen[start:end].isupper() and " " not in seen[start:end]
        of_a_thing = said.lower() in _MAY_NAME_THINGS and _THING_BEFORE.search(seen, max(0, cue.start() - 24), cue.start()) is not None
        if acronym or of_a_thing or said.lower() in _WEAK:
            return None
    return Span(start, end, "name")


def names(seen: str) -> Iterator[Span]:
    """Names after a cue ("a.n.", "nama saya", "bernama", a form's "Nama:"), and "saya" with a full common name."""
    if not may_announce(seen):
        return
    for cue in _ANNOUNCED.finditer(seen):
        span = _announced(seen, cue)
        if span is not None:
            yield span
    for cue in _SELF.finditer(seen):
        found = _read(seen, cue.end())
        if found is not None and " " in seen[found[0] : found[1]] and _first_word(seen, found[0]) in GIVEN_NAMES:
            yield Span(found[0], found[1], "name")


def _first_word(seen: str, start: int) -> str:
    word = _WORD.match(seen, start)
    return "" if word is None else word.group(1).lower()
