"""What other rules would have done with the log: who would move, and when that is too much to happen without a person."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.comparison import MOST_MOVED, Comparison, compare
from services.router.decision import unprocessable
from services.router.domain import Decision, Practice, decide
from services.router.publication import LoggedDecision
from shared.events import ComplaintReceived, RerouteRequested
from tests.judges import PASPOR, WordJudge
from tests.unit.test_router_domain import AT, DIRECTORY, disposed, report

SAME = WordJudge("same", {"paspor": {"imigrasi": 0.9}})
OTHER = WordJudge("other", {"paspor": {"ki": 0.9}, "merek": {"ki": 0.8}})
DOUBTS = WordJudge("doubts", {"paspor": {"imigrasi": 0.6}})


def practice(judge: WordJudge) -> Practice:
    return Practice("kemenkumham", judge.thresholds.of, judge.notice)


def logged(said: ComplaintReceived, judge: WordJudge = PASPOR, taken: Decision | None = None) -> LoggedDecision:
    taken = taken or decide(said, judge.judge(said), DIRECTORY, practice(judge))
    number = said.decision if isinstance(said, RerouteRequested) else 0
    return LoggedDecision(uuid4(), said.complaint_id, number, AT, judge.version, said.to_json(), taken.to_json(), None)


def compared(rows: Iterable[LoggedDecision], judge: Any = OTHER) -> Comparison:
    return compare(rows, judge, DIRECTORY)


def some(count: int, text: str = "Paspor saya belum jadi") -> list[LoggedDecision]:
    return [logged(report(text, complaint_id=UUID(int=number))) for number in range(count)]


def test_who_would_move_is_named_with_whence_whither_and_how_surely() -> None:
    found = compared(some(2))
    assert (found.candidate, found.judged, found.share) == ("other", 2, 1.0)
    assert [(move.complaint_id, move.before, move.after, move.confidence) for move in found.moves] == [
        (UUID(int=0), "imigrasi", "ki", 0.9), (UUID(int=1), "imigrasi", "ki", 0.9),
    ]  # fmt: skip


def test_who_stays_is_judged_and_named_nowhere() -> None:
    found = compared(some(3), SAME)
    assert (found.judged, found.moves, found.share, found.is_large) == (3, [], 0.0, False)


def test_to_and_from_triage_is_a_move_too() -> None:
    doubted = compared(some(1), DOUBTS)
    assert [(move.before, move.after, move.confidence) for move in doubted.moves] == [("imigrasi", "triage", 0.6)]
    decided = compared([logged(report(), DOUBTS)], SAME)
    assert [(move.before, move.after) for move in decided.moves] == [("triage", "imigrasi")]


def test_to_the_inspectorate_and_to_another_agency_are_moves() -> None:
    judge = WordJudge("x", {"pungli": {"is_oversight": True}, "ktp": {"other_agency": 0.999, "agency": "Dukcapil", "notice": "Ke sana."}})
    rows = [logged(report(text), SAME) for text in ("Paspor, pungli", "Paspor dan KTP")]
    assert [move.after for move in compared(rows, judge).moves] == ["itjen", "other_agency"]


def test_what_a_person_or_a_source_decided_what_came_later_and_history_are_none_of_the_rules_matter() -> None:
    later = {"decision": 1, "replaces": ["0/0"], "cause": "edited", "by": "source:lapor"}
    request = RerouteRequested.model_validate(report().model_dump(by_alias=True) | later)
    order = RerouteRequested.model_validate(request.model_dump(by_alias=True) | {"cause": "ordered", "order": {"unit": "imigrasi"}})
    rows = [logged(report(**disposed("Imigrasi"))), logged(request), logged(order), logged(report(is_final=True))]
    assert compared(rows).judged == 0


def test_a_record_that_could_not_be_read_is_not_compared_nor_in_the_way() -> None:
    unreadable = logged(report(), taken=unprocessable("1"))
    bare = LoggedDecision(uuid4(), UUID(int=9), 0, AT, "1", b'{"complaint_id": "x"}', unreadable.taken, None)
    assert compared([bare, *some(1)]).judged == 1


def test_an_empty_log_moves_nobody() -> None:
    found = compared([])
    assert (found.judged, found.share, found.is_large, found.counts()) == (0, 0.0, False, [])


@pytest.mark.parametrize(("moved", "is_large"), [(0, False), (1, False), (2, True)])
def test_up_to_one_in_twenty_moves_without_a_person(moved: int, is_large: bool) -> None:
    rows = [*some(moved), *some(20 - moved, "Merek saya ditolak, tolong")]
    judge = WordJudge("x", {"paspor": {"ki": 0.9}})
    found = compared(rows, judge)
    assert (len(found.moves), found.judged) == (moved, 20)
    assert found.share <= MOST_MOVED or is_large
    assert found.is_large is is_large


def test_moves_are_counted_by_whence_and_whither_the_most_first() -> None:
    rows = [*some(1), *some(3, "Merek saya, tolong")]
    assert compared(rows).counts() == [(("triage", "ki"), 3), (("imigrasi", "ki"), 1)]


def test_another_desk_of_the_same_unit_is_no_move() -> None:
    rows = [logged(report(location={"province": "Bali"}))]
    moved = rows[0].report.replace(b"Bali", b"Papua")
    row = LoggedDecision(uuid4(), UUID(int=1), 0, AT, "1", moved, rows[0].taken, None)
    assert compared([row], SAME).moves == []


def test_the_ministry_of_the_installation_decides_who_is_at_home() -> None:
    rows = [logged(report(source="halo_kumham"))]
    assert compare(rows, SAME, DIRECTORY, "kemenkum").moves[0].after == "other_agency"  # type: ignore[arg-type]
    assert compare(rows, SAME, DIRECTORY, "kemenimipas").moves == []  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(["paspor", "merek", "tolong", "pungli"]), max_size=30))
def test_shares_are_shares_and_counts_add_up(words: list[str]) -> None:
    found = compared([logged(report(word)) for word in words])
    assert found.judged == len(words)
    assert 0 <= found.share <= 1
    assert sum(count for _, count in found.counts()) == len(found.moves)
    assert all(move.before != move.after for move in found.moves)


def test_judging_again_with_the_judge_of_the_log_moves_nobody() -> None:
    rows = [logged(report(text)) for text in ("paspor", "tolong", "pungli di loket paspor", "")]
    assert compared(rows, PASPOR).moves == []
