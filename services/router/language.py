"""Words of a report in the one spelling that the rules know: shorthand, stretched letters and affixes taken away.

Pure. It must not decide what a word means: that is the rules' part.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

BREAK = "."
QUESTION = "?"
NUMBER = "0"
# A term that has a gap in it, or more than one word, does not reach over these.
BREAKS = frozenset({BREAK, QUESTION})

# Distinct spellings kept; a spelling takes about 250 bytes. Beyond it all are worked out again.
CACHE_SIZE = 32_768
# A "word" longer than this is not one: neither searched for affixes nor cached, so that no input makes this slow or large.
LONGEST_WORD = 40

# A run of stops is looked at from its first one alone: twenty thousand dots take no longer than as many letters.
_CHUNK = re.compile(r"\[[^\[\]\n]{1,24}\]|[?]+|(?<![.!;\n…])[.!;\n…]+(?=\s|$)|\n|[^\W_]+(?:[-.'’][^\W_]+)*")
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_AMOUNT = re.compile(r"([^\W\d_]*)\d+([^\W\d_]*)")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")

# A prefix and the letters that may stand in its place in the root: menyuap → suap, memukul → pukul, ngurus → urus.
_PREFIXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("menge", ("",)),
    ("meny", ("s",)),
    ("meng", ("", "k")),
    ("men", ("", "t")),
    ("mem", ("", "p")),
    ("me", ("",)),
    ("penge", ("",)),
    ("peny", ("s",)),
    ("peng", ("", "k")),
    ("pen", ("", "t")),
    ("pem", ("", "p")),
    ("per", ("",)),
    ("pe", ("",)),
    ("ber", ("",)),
    ("ter", ("",)),
    ("di", ("",)),
    ("ke", ("",)),
    ("se", ("",)),
    ("nge", ("",)),
    ("ng", ("", "k")),
    ("ny", ("s",)),
)
_BY_LETTER: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
for _prefix, _instead in _PREFIXES:
    _BY_LETTER.setdefault(_prefix[0], []).append((_prefix, _instead))
_JOINED_PREFIXES = frozenset(prefix for prefix, _ in _PREFIXES) | {"non"}
_PARTICLES = ("lah", "kah", "tah", "pun")
_OWNERS = ("nya", "ku", "mu")
_SUFFIXES = ("kan", "an", "i")
_SPOKEN = ("in",)  # "mintain"; of a longer root, or "desain" would come from "desa"
_PLURAL = ("s",)  # English, which knows no Indonesian prefix
_SHORTEST_OWNED = 3
_SHORTEST_ROOT = 4
_SHORTEST_SPOKEN = 5


class Language:
    """Brings a text to the words in `roots`; every other word stays as it is written.

    A word is stripped of affixes only where what remains is in `roots`, and of as few as possible: nothing is lost of a word that no
    rule knows. `masks` are the kinds of identifiers the intake writes as `[KIND]`: they say nothing about the subject.
    """

    def __init__(
        self,
        *,
        shorthand: Mapping[str, str],
        masks: Iterable[str] = (),
        protected: Iterable[str] = (),
        roots: Iterable[str] = (),
        turns: Iterable[tuple[str, ...]] = (),
    ) -> None:
        self.shorthand = dict(shorthand)
        self.masks = frozenset(mask.casefold() for mask in masks)
        self.protected = frozenset(protected)
        self.roots = frozenset(roots)
        self._turns = frozenset(turns)
        self._longest_turn = max(map(len, self._turns), default=0)
        first = "|".join(sorted({re.escape(turn[0]) for turn in self._turns})) or r"(?!)"
        # Most reports have no such sentence, and this says so without dividing them.
        self._may_turn = re.compile(rf"[.!?;\n…)]\s{{0,4}}(?:{first}|\(?[1-5][.)])", re.IGNORECASE)
        self._words: dict[str, tuple[str, ...]] = {}

    def forms(self) -> dict[str, frozenset[str]]:
        """For each root the other roots that are forms of it: `titip` has `titipan` where both are known."""
        found: dict[str, set[str]] = {}
        for word in self.roots - self.protected:
            for root in self.roots.intersection(_stripped(word)):
                found.setdefault(root, set()).add(word)
        return {root: frozenset(words) for root, words in found.items()}

    def turns(self, sentence: str) -> bool:
        """Whether it begins as people begin when they go over to something else: "Selain itu, …"."""
        words = tuple(sentence[:80].lower().replace(",", " ").replace(":", " ").split(maxsplit=self._longest_turn))
        return any(words[:length] in self._turns for length in range(1, self._longest_turn + 1))

    def may_turn(self, text: str) -> bool:
        return self._may_turn.search(text) is not None

    def normalise(self, text: str) -> list[str]:
        """The words in order; `.` and `?` where a sentence ends, `0` for a number. Total: any string has an answer."""
        text = text.lower() if text.isascii() else _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
        words: list[str] = []
        known = self._words
        for chunk in _CHUNK.findall(text):
            found = known.get(chunk)
            if found is None:
                found = self._words_of(chunk)
                if len(chunk) <= LONGEST_WORD:
                    if len(known) >= CACHE_SIZE:
                        known.clear()
                    known[chunk] = found
            words += found
        return words

    def _words_of(self, chunk: str) -> tuple[str, ...]:
        first = chunk[0]
        if first == "?":
            return (QUESTION,)
        if first in ".!;\n…":
            return (BREAK,)
        if first == "[":
            inside = chunk[1:-1]
            return () if inside in self.masks else tuple(self.normalise(inside))
        return tuple(root for part in _parts(chunk) for word in self._spelled(part) for root in (self._root(word),))

    def _spelled(self, word: str) -> list[str]:
        if word.isdecimal():
            return [NUMBER]
        known = self.shorthand.get(word)
        if known is not None:
            return known.split()
        amount = _AMOUNT.fullmatch(word)
        if amount is not None:
            before, after = amount.groups()
            if word.endswith("2") and len(before) >= 3:  # "bulan2": the plural of SMS
                return self._spelled(before)
            return [*(self._spelled(before) if before else ()), NUMBER, *(self._spelled(after) if after else ())]
        shorter = _STRETCHED.sub(r"\1", word)
        if shorter != word:
            twice = _STRETCHED.sub(r"\1\1", word)
            return self._spelled(twice if twice in self.roots else shorter)
        return [word]

    def _root(self, word: str) -> str:
        roots = self.roots
        if word in roots or word in self.protected or not 3 < len(word) <= LONGEST_WORD:
            return word
        found = self._nearest(word)
        if found is None and word[-1] == word[-2]:  # "lamaa"
            trimmed = word[:-1]
            found = trimmed if trimmed in roots else self._nearest(trimmed)
        return found or word

    def _nearest(self, word: str) -> str | None:
        best: str | None = None
        for candidate in _stripped(word):
            if candidate in self.roots and (best is None or len(candidate) > len(best)):
                best = candidate
        return best


def _parts(chunk: str) -> list[str]:
    """What hyphens, dots and apostrophes hold together: `e-ktp` is one word, `selesai.tolong` two, `anak-anak` one said twice."""
    if chunk.isalnum():
        return [chunk]
    parts = [part for part in re.split(r"[-.'’]", chunk) if part]
    if len(parts) < 2:
        return parts
    if all(part.isdecimal() for part in parts):
        return [NUMBER]
    if all(len(part) == 1 for part in parts):  # "k.t.p"
        return ["".join(parts)]
    if "-" not in chunk:
        return parts
    if len(parts[0]) == 1 or parts[0] in _JOINED_PREFIXES:  # "e-ktp", "ber-bulan"
        parts[:2] = ["".join(parts[:2])]
    if len(parts) == 2 and parts[0].endswith(parts[1]):  # "berbulan-bulan"
        return parts[:1]
    return parts


def _stripped(word: str) -> Iterator[str]:
    """Every shorter word that Indonesian affixes could have made this one from; most of them are no words at all."""
    bare = [word]
    for endings in (_PARTICLES, _OWNERS):
        bare += _without(bare, endings, _SHORTEST_OWNED)
    bare += [*_without(bare, _SUFFIXES, _SHORTEST_ROOT), *_without(bare, _SPOKEN, _SHORTEST_SPOKEN)]
    yield from bare[1:]
    yield from _without([word], _PLURAL, _SHORTEST_ROOT)
    seen = set(bare)
    layer = bare
    for _ in range(2):  # at most two prefixes: mem-per-, di-per-, se-ke-
        following: list[str] = []
        for known in layer:
            for prefix, instead in _BY_LETTER.get(known[0], ()):
                if not known.startswith(prefix):
                    continue
                for letter in instead:
                    root = letter + known[len(prefix) :]
                    if len(root) >= _SHORTEST_ROOT and root not in seen:
                        seen.add(root)
                        following.append(root)
        yield from following
        layer = following


def _without(words: list[str], endings: tuple[str, ...], shortest: int) -> list[str]:
    return [
        word.removesuffix(ending) for word in words for ending in endings if word.endswith(ending) and len(word) - len(ending) >= shortest
    ]
