"""Terms as the rules write them, and how they are found in a report's words. Pure; what a term speaks for is its `target`, unread here.

A term is words in order, each met by all its forms ("kunjung" by "kunjungan", "tahanan" by "tahanannya" but not by "bertahan"). `..` lets
up to `GAP` words stand between; `<staff>` is any word of that class, in just the forms listed there. Of terms that begin at one word
the longest is taken, and its words then belong to no other term: "hukum dan ham" hides "ham".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from services.router.language import BREAKS, Language

GAP = 5


class TermError(ValueError):
    """A term that cannot be read; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Step:
    words: frozenset[str]
    after_gap: bool = False
    is_class: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """`needs`: at least one of these must stand somewhere in the report; `unless`: none of these may. `says` is `text` for a clerk."""

    text: str
    says: str
    target: str
    weight: float
    steps: tuple[Step, ...]
    needs: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()

    @property
    def words(self) -> frozenset[str]:
        return frozenset().union(*(step.words for step in self.steps), self.needs, self.unless)

    def in_all_forms(self, forms: Mapping[str, frozenset[str]]) -> "Term":
        """Met also where another term has made a form of one of its words a word of its own."""
        return replace(
            self,
            steps=tuple(step if step.is_class else replace(step, words=_forms_of(step.words, forms)) for step in self.steps),
            needs=_forms_of(self.needs, forms),
            unless=_forms_of(self.unless, forms),
        )


def _forms_of(words: frozenset[str], forms: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return words.union(*(forms.get(word, ()) for word in words))


def read_steps(text: str, language: Language, classes: Mapping[str, frozenset[str]]) -> tuple[Step, ...]:
    """`language` must know no roots here, so that a term keeps the affixes it is written with."""
    steps: list[Step] = []
    gap = False
    for written in text.split():
        if written == "..":
            if gap or not steps:
                raise TermError("a gap must stand between two words")
            gap = True
            continue
        if written.startswith("<") and written.endswith(">"):
            if written[1:-1] not in classes:
                raise TermError(f"there is no class of words {written}")
            steps.append(Step(classes[written[1:-1]], gap, is_class=True))
        else:
            words = language.normalise(written)
            if not words:
                raise TermError(f"{written!r} holds no word")
            steps.extend(Step(frozenset({word}), gap and at == 0) for at, word in enumerate(words))
        gap = False
    if not steps:
        raise TermError("a term needs a word")
    if gap:
        raise TermError("a gap must stand between two words")
    return tuple(steps)


def read_words(written: Iterable[str], language: Language, classes: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The single words of `needs` and `unless`; a class stands for all of its words."""
    found: set[str] = set()
    for text in written:
        steps = read_steps(text, language, classes)
        if len(steps) > 1:
            raise TermError(f"{text!r} of its context is more than one word")
        found |= steps[0].words
    return frozenset(found)


class _Start:
    """The terms of one question that begin with one word, in order of preference."""

    __slots__ = ("after_gap", "alone", "longer", "next_to", "question")

    def __init__(self, question: str, terms: list[tuple[int, Term]]) -> None:
        self.question = question
        self.alone = tuple(term for _, term in terms if len(term.steps) == 1)
        self.longer = len(self.alone) < len(terms)
        # By their second word, so that a word with many terms ("petugas") costs what the words after it cost.
        self.next_to: dict[str, list[tuple[int, Term]]] = {}
        self.after_gap: dict[str, list[tuple[int, Term]]] = {}
        for order, term in terms:
            for word in term.steps[1].words if len(term.steps) > 1 else ():
                (self.after_gap if term.steps[1].after_gap else self.next_to).setdefault(word, []).append((order, term))

    def candidates(self, words: list[str], at: int) -> Iterable[Term]:
        """Longer ones first, then those of this word alone."""
        if not self.longer or at + 1 >= len(words):
            return self.alone
        found = list(self.next_to.get(words[at + 1], ()))
        if self.after_gap:
            for word in words[at + 1 : at + GAP + 2]:
                found += self.after_gap.get(word, ())
        if not found:
            return self.alone
        return [*(term for _, term in sorted(found, key=_order)), *self.alone]


def _order(found: tuple[int, Term]) -> int:
    return found[0]


class Matcher:
    """All terms of all questions (which unit? oversight? urgent?), indexed by their first word. Questions take no words from each other."""

    def __init__(self, questions: Mapping[str, Iterable[Term]]) -> None:
        self.terms = {question: tuple(terms) for question, terms in questions.items()}
        starts: dict[str, list[_Start]] = {}
        for question, terms in self.terms.items():
            by_word: dict[str, list[tuple[int, Term]]] = {}
            # Stable: the file's order among terms of equal length.
            for order, term in enumerate(sorted(terms, key=lambda term: -len(term.steps))):
                for word in term.steps[0].words:
                    by_word.setdefault(word, []).append((order, term))
            for word, found in by_word.items():
                starts.setdefault(word, []).append(_Start(question, found))
        self._starts = {word: tuple(found) for word, found in starts.items()}

    def find(self, words: list[str]) -> dict[str, list[tuple[Term, int]]]:
        """By question, the terms found and where each begins, in the text's order."""
        found: dict[str, list[tuple[Term, int]]] = {question: [] for question in self.terms}
        taken: dict[str, set[int]] = {question: set() for question in self.terms}
        known = self._starts
        present = set(words)
        for at, word in enumerate(words):
            if word not in known:
                continue
            for start in known[word]:
                gone = taken[start.question]
                if at in gone:
                    continue
                for term in start.candidates(words, at):
                    if (term.needs and term.needs.isdisjoint(present)) or (term.unless and not term.unless.isdisjoint(present)):
                        continue
                    if len(term.steps) > 1:
                        span = _span(term.steps, words, at)
                        if span is None or not gone.isdisjoint(span):
                            continue
                        gone.update(span)
                    found[start.question].append((term, at))
                    break
        return found


def _span(steps: tuple[Step, ...], words: list[str], at: int) -> list[int] | None:
    """Where each step stands when the first stands at `at`; the nearest word counts, nothing is tried twice."""
    span = [at]
    for step in steps[1:]:
        last = at + (GAP + 1 if step.after_gap else 1)
        at += 1
        while at <= last and at < len(words) and words[at] not in step.words:
            if words[at] in BREAKS:
                return None
            at += 1
        if at > last or at >= len(words):
            return None
        span.append(at)
    return span
