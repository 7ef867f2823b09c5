"""A judge that a test can foretell: the first known word of the text says the ranking. For what becomes of a judgement."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

import services.router.app
from services.router.judgement import Judgement
from shared.events import ComplaintReceived, Ranked, Reason

NOTHING = Judgement(
    ranking=(Ranked(unit="setjen", score=0.1),),
    confidence=0.1,
    threshold=0.7,
    unit="setjen",
    agency=None,
    notice=None,
    class_="pengaduan",
    class_confidence=0.9,
    is_oversight=False,
    oversight_in_doubt=False,
    is_urgent=False,
    special_data=(),
    reasons=(),
    is_vague=False,
    rules_version="",
)


class _SameForAll:
    def of(self, outcome: str) -> float:
        return 0.7


class WordJudge:
    """`words`: the scores of a word's outcomes, the best first; or fields of the Judgement, to say more."""

    def __init__(self, version: str, words: Mapping[str, Mapping[str, Any]]) -> None:
        self.version = version
        self.thresholds = _SameForAll()
        self._words = words

    def notice(self, agency: str | None) -> str | None:
        return f"Ke {agency}." if agency else None

    def judge(self, report: ComplaintReceived) -> Judgement:
        text = f"{report.title} {report.text}".lower()
        for word, said in self._words.items():
            if word in text:
                scores = {name: value for name, value in said.items() if isinstance(value, float)}
                ranking = tuple(Ranked(unit=unit, score=score) for unit, score in scores.items()) or NOTHING.ranking
                more = {name: value for name, value in said.items() if name not in scores}
                return replace(
                    NOTHING,
                    ranking=ranking,
                    unit=ranking[0].unit,
                    confidence=ranking[0].score,
                    reasons=(Reason(kind="term", value=f"{ranking[0].unit}: {word}", weight=6.0),),
                    rules_version=self.version,
                    **more,
                )
        return replace(NOTHING, rules_version=self.version)


PASPOR = WordJudge("paspor-1", {"pungli": {"is_oversight": True}, "paspor": {"imigrasi": 0.8, "ahu": 0.16, "ki": 0.02}})


def judge_with(monkeypatch: pytest.MonkeyPatch, judge: WordJudge = PASPOR) -> None:
    """Routers that start from now on judge so."""
    monkeypatch.setattr(services.router.app, "load_judge", lambda _directory: judge)
