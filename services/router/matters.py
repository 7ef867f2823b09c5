"""Where a report may go over to another matter, by the words with which people do so. Pure; whether it does, the judge says."""

import re

from services.router.language import Language

MOST = 5
_LEAST_WORDS = 4
_SENTENCE = re.compile(r"(?<=[.!?;\n…])\s+|\n+|(?<!\s)\s+(?=\(?[1-5][.)]\s)")
_NUMBERED = re.compile(r"\(?[2-5][.)]\s")


def turning_points(text: str, language: Language) -> list[tuple[str, str]]:
    """The text before and after each sentence that begins as another matter does: "Selain itu", "Kedua", "2.", "by the way"."""
    if not language.may_turn(text):
        return []
    sentences = [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]
    turns = [at for at in range(1, len(sentences)) if language.turns(sentences[at]) or _NUMBERED.match(sentences[at])]
    if len(turns) >= 2 * MOST:  # a long list of small points is one matter told in points
        return []
    sides = [(" ".join(sentences[:at]), " ".join(sentences[at:])) for at in turns]
    return [(before, after) for before, after in sides if min(len(before.split()), len(after.split())) >= _LEAST_WORDS]
