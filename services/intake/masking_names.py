"""Names of people, at high confidence only: after words that announce one. Pure; works on the plain, shielded view.

lokal-id reads the words of a name. Its own list of cues is not used: in complaints it takes "nama saya dicoret" and
"saya maling" for names, and a mask there changes what the report says.
"""

import re
from collections.abc import Iterator

from lokal.samaran._names import AMBIGUOUS_GIVEN_NAMES, BALINESE_NAMES, FAMILY_NAMES, GIVEN_NAMES, SECOND_NAMES
from lokal.samaran.detectors import _name_at

from services.intake.masking_rules import RULES, Span, words

_NAMES = RULES["names"]
STEMS: tuple[str, ...] = tuple(_NAMES["stems"])
# "an" in front of a name: too common inside words to be a stem.
AN = re.compile(r"[Aa][Nn](?<![A-Za-z0-9\]][Aa][Nn])(?![A-Za-z])")
for _cue in _NAMES["cues"]:
    if not (AN.search(_cue) or any(stem in _cue for stem in STEMS)):
        raise ValueError(f"masking.toml: no stem for the cue {_cue!r}")

_ANNOUNCED = re.compile(
    r"(?<![A-Za-z0-9\]])(?:(?P<form>nama(?: (?:lengkap|pemohon|pelapor|terlapor|saya|anak|wbp|narapidana))?[ \t]{0,6}[:=])|(?P<cue>"
    + words(_NAMES["cues"])
    + r"))(?![A-Za-z])\.?[ \t]{0,3}[:=,]?[ \t]{0,3}(?:\n[ \t\n]{0,4})?",
    re.ASCII | re.IGNORECASE,
)
SELF = re.compile(r"[Ss]aya(?<![A-Za-z\]]saya)(?<![A-Za-z\]]Saya),?[ \t]{1,3}(?=[A-Z][a-z]+[ \t]{1,3}[A-Z])", re.ASCII)
_THING_BEFORE = re.compile(r"(?<![A-Za-z])(?:" + words(_NAMES["things"]) + r")(?:nya)?(?: yang)?[ \t]+\Z", re.ASCII | re.IGNORECASE)
_MAY_NAME_THINGS = {"bernama", "namanya", "dengan nama", "atas nama"}
_NOT_NAMES = frozenset(_NAMES["not_names"])
# Too short to announce a name by themselves: only a common one.
_WEAK = {"an", "saudara", "saudari"}
_KNOWN = GIVEN_NAMES | FAMILY_NAMES | SECOND_NAMES | AMBIGUOUS_GIVEN_NAMES | BALINESE_NAMES
# "I Made …", where "I" alone is no name to lokal-id.
_BALINESE = re.compile(r"I[ \t](?=(?:" + "|".join(sorted(BALINESE_NAMES)) + r")\b)", re.ASCII | re.IGNORECASE)
_NEXT_WORD = re.compile(r"[ \t]([A-Z][A-Za-z'\u2019-]*)")
_LONGEST = 60
_VERB = re.compile(r"(?:me[mn]?|di|ber|ter|pe[mnr]?|ke)[a-z]{4,}")
_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019-]*\.?")
_INNER_CAPITAL = re.compile(r"[A-Za-z]{2,}[ \t]+[A-Z]")


def may_announce(seen: str) -> bool:
    """Whether any cue can be in the text. Much cheaper than to look for them."""
    lowered = seen.lower()
    for stem in STEMS:
        if stem in lowered:
            return True
    return AN.search(seen) is not None or SELF.search(seen) is not None


def _whole(seen: str, start: int, end: int) -> int:
    """Names end in words that lokal-id rules out in chat ("Lama", "Bali", "Setia"): capitals go on while there are any."""
    while seen[end - 1] != "." and (more := _NEXT_WORD.match(seen, end)) is not None and end - start < _LONGEST:
        end = more.end()
    return end


def _kept(seen: str, start: int, end: int, shouted: bool) -> tuple[int, bool] | None:
    """Where the name really ends, and whether a word of it is a common name; None where it is no name.

    In a text all in capitals (or a title in Title Case) a capital says nothing: there the first word must be a common
    name, and one uncommon word may follow.
    """
    last, known, strange = 0, False, 0
    for word in _WORD.finditer(seen, start, end):
        bare = word.group().rstrip(".").lower()
        common = bare in _KNOWN
        if bare in _NOT_NAMES or bare.split("-")[0] in _NOT_NAMES:
            break
        if shouted and not common:
            strange += 1
            if not known or strange > 1 or _VERB.fullmatch(bare):
                break
        known = known or common
        last = word.end() - (1 if word.group().endswith(".") and len(bare) > 1 else 0)
    return (last, known) if last else None


def _announced(seen: str, cue: re.Match[str]) -> Span | None:
    """The name after a cue, if what follows is one."""
    said = cue.group("cue") or cue.group("form")
    shouted = cue.group("form") is None and (_INNER_CAPITAL.search(said) is not None or (len(said) > 4 and said.isupper()))
    first = _BALINESE.match(seen, cue.end())
    found = _name_at(seen, cue.end() if first is None else first.end(), "high", True)
    if found is None:
        return None
    start = found.start if first is None else first.start()
    kept = _kept(seen, found.start, found.end if shouted else _whole(seen, found.start, found.end), shouted)
    if kept is None:
        return None
    end, known = kept
    if not known:
        name = seen[start:end]
        acronym = name.isupper() and " " not in name
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
    for cue in SELF.finditer(seen):
        found = _name_at(seen, cue.end(), "high", True)
        if found is not None and " " in found.value and found.value.split()[0].lower() in GIVEN_NAMES:
            kept = _kept(seen, found.start, _whole(seen, found.start, found.end), False)
            if kept is not None:
                yield Span(found.start, kept[0], "name")
