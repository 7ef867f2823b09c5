"""A report's words in the order said, with what capitals and full stops tell. Pure; it must not decide what a word means."""

import re
import unicodedata
from collections.abc import Set
from functools import cached_property
from itertools import pairwise

STOP, COMMA = ".", ","

_TOKEN = re.compile(r"[^\W_]+(?:['’`][^\W_]+)*|[.!?;:\n,/()]")
_SIGNS = dict.fromkeys("!?;:\n", STOP) | dict.fromkeys("/()", COMMA)
_APOSTROPHES = str.maketrans("", "", "'’`")
_LONG = 4  # letters: shorter words are written in capitals or not for other reasons


class Said:
    """`words` in lower case with STOP and COMMA between them; the title's come first. A stop after one of `abbreviations` is left out."""

    def __init__(self, title: str, text: str, abbreviations: Set[str] = frozenset()) -> None:
        self._title, self._text, self._abbreviations = _plain(title), _plain(text), abbreviations
        sign = _SIGNS.get
        words = [sign(token, token) for token in _TOKEN.findall(self._title.lower())]
        words.append(STOP)
        self._title_ends = len(words)
        words += [sign(token, token) for token in _TOKEN.findall(self._text.lower())]
        if "'" in self._text or "'" in self._title or "’" in self._text or "`" in self._text:
            words = [word.translate(_APOSTROPHES) for word in words]
        self._left_out: frozenset[int] = frozenset()
        if not abbreviations.isdisjoint(words):
            left_out = self._left_out = _after_abbreviation(words, abbreviations)
            self._title_ends -= sum(at < self._title_ends for at in left_out)
            words = [word for at, word in enumerate(words) if at not in left_out]
        self.words = words

    def is_name(self, at: int) -> bool:
        """Whether a capital letter shows that this word is a name: not where a sentence begins, nor where most words have one."""
        if at == 0 or self.words[at - 1] == STOP or len(self._written) != len(self.words) or not self._written[at][0].isupper():
            return False
        return not (self._capitals_in_title if at < self._title_ends else self._capitals_in_text)

    @cached_property
    def _written(self) -> list[str]:
        """As many as the words, but for letters whose lower case is two."""
        written = [*_TOKEN.findall(self._title), STOP, *_TOKEN.findall(self._text)]
        return [token for at, token in enumerate(written) if at not in self._left_out] if self._left_out else written

    @cached_property
    def _capitals_in_title(self) -> bool:
        return _mostly_capitals(self._written[: self._title_ends])

    @cached_property
    def _capitals_in_text(self) -> bool:
        return _mostly_capitals(self._written[self._title_ends :])


def _plain(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _after_abbreviation(words: list[str], abbreviations: Set[str]) -> frozenset[int]:
    pairs = enumerate(pairwise(words), start=1)
    return frozenset(at for at, (word, following) in pairs if following == STOP and word in abbreviations)


def _mostly_capitals(written: list[str]) -> bool:
    long = [word[0].isupper() for word in written if len(word) >= _LONG and word.isalpha()]
    return 2 * sum(long) > len(long)
