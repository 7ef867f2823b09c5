"""Phrases found in a list of words: a dictionary by first word, the longest phrase first. Pure; it knows nothing of what they mean."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

# What follows the first word of a phrase, and its value.
_Rest = tuple[tuple[str, ...], T]


class Phrases(Generic[T]):
    """`spelled` brings a word to the one that the phrases are written in, wherever in a phrase it stands."""

    def __init__(self, phrases: Mapping[tuple[str, ...], T], spelled: Mapping[str, str] | None = None) -> None:
        self._by_words = phrases
        self._spelled = spelled or {}
        by_first: dict[str, dict[str, list[_Rest[T]]]] = {}
        for words, value in phrases.items():
            by_first.setdefault(words[0], {}).setdefault(words[1] if len(words) > 1 else "", []).append((words[1:], value))
        # By the second word, because thousands of names begin with "tanjung" or "sungai"; "" for the first word alone.
        self._by_first = {
            first: {second: tuple(sorted(rests, key=lambda rest: -len(rest[0]))) for second, rests in by_second.items()}
            for first, by_second in by_first.items()
        }
        for typo, word in self._spelled.items():
            if word in self._by_first:
                self._by_first.setdefault(typo, self._by_first[word])

    def first_words(self) -> set[str]:
        return set(self._by_first)

    def get(self, words: Sequence[str]) -> T | None:
        return self._by_words.get(tuple(words))

    def at(self, words: Sequence[str], start: int) -> list[tuple[int, T]]:
        """(end, value) of each phrase that begins at `start`, the longest first."""
        by_second = self._by_first.get(words[start])
        if by_second is None:
            return []
        found: list[tuple[int, T]] = []
        if start + 1 < len(words):
            second = words[start + 1]
            for rest, value in by_second.get(self._spelled.get(second, second), ()):
                end = start + 1 + len(rest)
                if len(rest) == 1 or self._is_said(rest, words[start + 1 : end]):
                    found.append((end, value))
        found.extend((start + 1, value) for _, value in by_second.get("", ()))
        return found

    def _is_said(self, rest: tuple[str, ...], words: Sequence[str]) -> bool:
        said = tuple(words)
        return said == rest or (bool(self._spelled) and tuple(self._spelled.get(word, word) for word in said) == rest)


def one_letter_wrong(words: Sequence[str]) -> dict[str, str]:
    """Misspelt words by what was meant: one letter missing, added, exchanged or swapped with its neighbour, never the first.

    Of words under seven letters only a doubled letter and a swap: too many words of their own lie a letter away ("lapas", "lepas").
    """
    typos: dict[str, str] = {}
    letters = "abcdefghijklmnopqrstuvwxyz"
    for word in words:
        wrong = {word[:at] + word[at] + word[at:] for at in range(len(word))}
        wrong |= {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 1)}
        if len(word) >= 7:
            wrong |= {word[:at] + word[at + 1 :] for at in range(1, len(word))}
            wrong |= {word[:at] + letter + word[at + 1 :] for at in range(1, len(word)) for letter in letters}
            wrong |= {word[:at] + letter + word[at:] for at in range(1, len(word) + 1) for letter in letters}
        typos |= dict.fromkeys(wrong - set(words), word)
    return typos
