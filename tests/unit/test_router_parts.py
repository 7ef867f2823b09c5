"""Whatever report, judgement and history come together: there is a decision, and it keeps what is promised of every decision."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.decision import closed_by
from services.router.domain import Assign, Decision, Hold, Practice, Transfer, decide, unprocessable
from services.router.judgement import Judgement, Matter
from services.router.places import Office, Place
from shared.events import ComplaintReceived, Ranked, Reason, RerouteRequested
from shared.settings import MINISTRIES
from shared.units import UNIT_SLUGS
from tests.unit.test_router_domain import AT, DIRECTORY, decided, judged

OUTCOMES = (*UNIT_SLUGS, "other_agency")
shares = st.floats(0, 1).map(lambda share: round(share, 4))
provinces = st.sampled_from([None, "Nusa Tenggara Timur", "Kalimantan Utara", "Papua Selatan", "Atlantis"])
names = st.sampled_from(["Ditjenpas", "Kanwil Bali", "Imigrasi", "Kanim Kupang", "Itjen", "Dinas Perikanan"])
agencies = st.sampled_from([(None, None), ("Dukcapil", "Ke Dukcapil."), ("BPJS", None)])
units = st.sampled_from(UNIT_SLUGS)
offices = st.builds(
    lambda kind, place, province: Office(f"{kind[0]}:{place}", kind[1], province),
    st.sampled_from([("kanim", "imigrasi"), ("lapas", "pemasyarakatan"), ("rupbasan", "pemasyarakatan"), ("bhp", "ahu")]),
    st.sampled_from(["kupang", "medan", "bandung", "ambon"]),
    provinces,
)


@st.composite
def matters(draw: st.DrawFn) -> Matter:
    outcome = draw(st.sampled_from(OUTCOMES))
    agency, notice = draw(agencies)
    return Matter(outcome, draw(shares), agency, notice)


@st.composite
def judgements(draw: st.DrawFn) -> Judgement:
    scores = sorted(draw(st.lists(shares, min_size=12, max_size=12)), reverse=True)
    ranking = tuple(Ranked(unit=unit, score=score) for unit, score in zip(draw(st.permutations(OUTCOMES)), scores, strict=True))
    is_oversight = draw(st.booleans())
    agency, notice = draw(agencies)
    return Judgement(
        ranking=ranking,
        confidence=ranking[0].score,
        threshold=draw(shares),
        unit=ranking[0].unit,
        agency=agency,
        notice=notice,
        class_=draw(st.sampled_from(["pengaduan", "aspirasi", "informasi"])),
        class_confidence=0.9,
        is_oversight=is_oversight,
        oversight_in_doubt=not is_oversight and draw(st.booleans()),
        is_urgent=draw(st.booleans()),
        special_data=(),
        reasons=(Reason(kind="term", value="\x00 paspor", weight=6.0),),
        is_vague=draw(st.integers(0, 9)) == 0,
        rules_version="1",
        place=Place(draw(provinces), None, tuple(draw(st.lists(offices, max_size=8)))),
        matters=tuple(draw(st.lists(matters(), max_size=6))),
    )


@st.composite
def reports(draw: st.DrawFn) -> ComplaintReceived:
    fields: dict[str, Any] = {
        "complaint_id": UUID(int=1),
        "source": draw(st.sampled_from(["lapor", "halo_kumham"])),
        "service": draw(st.sampled_from(["sp4n", "sp4n", "sp4n", "wbs", "ppid_permohonan", "ulp"])),
        "title": "",
        "text": "Paspor",
        "class": draw(st.sampled_from([None, "pengaduan", "pengaduan_pengawasan", "informasi"])),
        "reported_at": draw(st.sampled_from([AT, AT.replace(year=2024), AT.replace(year=2025)])),
        "accepted_at": AT,
        "location": {"province": draw(provinces)},
        "is_anonymous": draw(st.booleans()),
        "is_confidential": draw(st.booleans()),
        "is_final": draw(st.integers(0, 9)) == 0,
        "disposition": [{"name": name} for name in draw(st.lists(names, max_size=4))],
    }
    if draw(st.booleans()):
        return ComplaintReceived.model_validate(fields)
    cause = draw(st.sampled_from(["returned", "ordered", "edited", "redisposed", "expired"]))
    orders = st.sampled_from([{"unit": "imigrasi"}, {"unit": "itjen"}, {"agency": "BPN"}, {"hold": True}, {}])
    return RerouteRequested.model_validate(
        fields
        | {
            "decision": draw(st.integers(1, 5)),
            "replaces": ["0/0"],
            "cause": cause,
            "by": "x",
            "reason": draw(st.sampled_from([None, "ya"])),
        }
        | {"order": draw(orders | st.none()) if cause == "ordered" else draw(st.none() | orders)}
        | {
            "refused_units": draw(st.lists(units, max_size=11, unique=True)),
            "holding_units": draw(st.lists(units, max_size=3, unique=True)),
        }
        | {"transfers": draw(st.integers(0, 5))}
    )


practices = st.builds(
    lambda ministry, threshold: Practice(ministry, lambda _outcome: threshold, lambda agency: f"Ke {agency}."),
    st.sampled_from(MINISTRIES),
    shares,
)


@given(report=reports(), judgement=judgements(), practice=practices, was_oversight=st.booleans(), was_in_doubt=st.booleans())
def test_every_decision_keeps_what_is_promised(
    report: ComplaintReceived, judgement: Judgement, practice: Practice, was_oversight: bool, was_in_doubt: bool
) -> None:
    decision = decide(report, judgement, DIRECTORY, practice, was_oversight=was_oversight, was_in_doubt=was_in_doubt)
    assert decision == decide(report, judgement, DIRECTORY, practice, was_oversight=was_oversight, was_in_doubt=was_in_doubt)
    assert Decision.from_json(decision.to_json()) == decision
    has_order = isinstance(report, RerouteRequested) and (report.order is not None or report.cause == "ordered")
    assert bool(decision.parts) is (has_order or not report.is_final)
    assert decision.is_confidential >= report.is_confidential
    assert decision.is_anonymous >= report.is_anonymous
    assert decision.is_oversight <= decision.is_confidential
    assert decision.is_oversight >= (judgement.is_oversight or was_oversight)
    assert (decision.suggestion is None) is (decision.decided_by == "router")

    given = [part for part in decision.parts if isinstance(part, Assign)]
    assert len({(part.unit, part.desk) for part in given}) == len(given)
    for part in decision.parts:
        if isinstance(part, Assign):
            assert part.unit in UNIT_SLUGS
            assert part.desk not in part.copies
        if isinstance(part, Transfer):
            assert part.agency
            assert part.notice
    in_doubt = judgement.oversight_in_doubt or was_in_doubt
    if decision.is_oversight or in_doubt:
        assert decision.is_confidential
        assert not any(part.desk or part.copies for part in given)
        assert closed_by(decision)
    if any(part.unit == "itjen" for part in given):
        assert decision.is_oversight
    if decision.is_oversight and decision.decided_by == "router" and decision.parts:
        assert decision.parts == (Assign("itjen"),) or isinstance(decision.parts[0], Hold)
    if any(isinstance(part, Hold) for part in decision.parts) and (decision.is_oversight or in_doubt):
        assert decision.withhold_text
    if decision.decided_by == "router":
        assert len(decision.parts) <= 5
        assert len(decision.parts) == 1 or not any(isinstance(part, Hold) for part in decision.parts[:-1]), "one look of a person, last"
        if report.source == "lapor":
            assert not any(isinstance(part, Transfer) for part in decision.parts[1:])

    if isinstance(report, RerouteRequested):
        assert (decision.decided_by == "human") is has_order
        if decision.decided_by == "router" and (report.refused_units or report.holding_units):
            assert not any(isinstance(part, Transfer) for part in decision.parts)
        if not has_order:
            assert not {part.unit for part in given} & set(report.holding_units)
            if decision.decided_by == "router" or report.cause != "redisposed":
                assert not {part.unit for part in given} & set(report.refused_units)
            if decision.decided_by == "router" and report.transfers >= 3:
                assert all(part.unit == "itjen" for part in given)
        elif decision.parts:
            assert len(decision.parts) == 1


def test_an_unreadable_record_is_held_with_the_strictest_flags() -> None:
    decision = unprocessable("1")
    assert decision.parts == (Hold("unprocessable"),)
    assert decision.withhold_text
    assert decision.is_confidential
    assert decision.is_anonymous
    assert Decision.from_json(decision.to_json()) == decision


ELSEWHERE = Matter("other_agency", 0.99, "BPJS Kesehatan", "Ke BPJS.")


def test_a_further_matter_of_another_agency_waits_for_a_person_at_lapor_where_a_transfer_is_a_proposal() -> None:
    judgement = judged(matters=(ELSEWHERE, Matter("ki", 0.99)))
    assert decided(judgement).parts == (Assign("imigrasi"), Assign("ki"), Hold("low_confidence"))
    assert decided(judgement, source="halo_kumham").parts == (Assign("imigrasi"), Transfer("BPJS Kesehatan", "Ke BPJS."), Assign("ki"))


@pytest.mark.parametrize(
    "unsure", [Matter("ki", 0.94), replace(ELSEWHERE, confidence=0.94), replace(ELSEWHERE, agency=None), replace(ELSEWHERE, notice=None)]
)
def test_a_further_matter_below_its_own_threshold_or_without_a_name_waits_for_a_person_and_the_others_go(unsure: Matter) -> None:
    decision = decided(judged(matters=(unsure, Matter("ahu", 0.95))), source="halo_kumham")
    assert decision.parts == (Assign("imigrasi"), Assign("ahu"), Hold("low_confidence"))
    assert decision.reasons[-1].value == f"further matter for a person: {unsure.unit}"
    assert not decision.withhold_text


def test_what_a_person_must_look_at_is_not_lost_among_many_parts() -> None:
    offices = tuple(Office(f"kanim:kota-{letter}", "imigrasi") for letter in "abcdefg")
    decision = decided(judged(place=Place(offices=offices), matters=(Matter("ki", 0.5), Matter("ahu", 0.5))))
    assert len(decision.parts) == 5
    assert decision.parts[-1] == Hold("low_confidence")
