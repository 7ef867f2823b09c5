"""What GET shows of a case, and to whom; of an oversight case only the inspectorate and who watches the whole see all. Pure."""

import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic_core import from_json

from services.intake.answers import KnownAnswer, spoken_view
from services.intake.readers import INSPECTORATE, concerns_oversight, makes_readers
from services.intake.speakers import Speaker
from shared.events import UnitSlug

# A line of the timeline is a head, then what somebody wrote, behind a colon; the reason for which it does not count comes last.
_WRITTEN = re.compile(r"(?: \(status)?: .*", re.DOTALL)
_DOES_NOT_COUNT = re.compile(r"(: (?:refused|noted only|counts no longer)), .*", re.DOTALL)
_OTHER_UNITS = "|".join(unit for unit in get_args(UnitSlug) if unit != INSPECTORATE)
_NAMED_OFFICE = re.compile(rf",? (?:by|to|suggests) (?:(?:{_OTHER_UNITS})(?![\w-])|[a-z_]+:\S+)")


def is_shown_to(speaker: Speaker, status: dict[str, Any] | None) -> bool:
    """Whether a unit or desk has, or in an ordinary case had, a part; for the other roles see `may_read`."""
    if status is None:
        return False
    in_oversight = _concerns_oversight(status)
    return any(makes_readers(item["unit"], item["state"], in_oversight=in_oversight) for item in _own(speaker, status))


def may_read(speaker: Speaker, sources: Sequence[str], status: dict[str, Any] | None) -> bool:
    """A source reads what it reported, a unit or desk what was given to it, triage, admin and auditor all."""
    if speaker.subject is None:
        return True
    return speaker.subject in sources if speaker.role == "source" else is_shown_to(speaker, status)


def told_to(speaker: Speaker, status: dict[str, Any]) -> dict[str, Any]:
    """The notifier's last word as this reader is told it; `answers` are narrowed where they are shown with their texts.

    Of an oversight case a source is told how it stands, without what was written of it and without the offices. A unit or desk other
    than the inspectorate's is told what it has to do, and not what it is about.
    """
    if speaker.subject is None or not _concerns_oversight(status):
        return status
    if speaker.role == "source":
        return status | {
            "assignments": [item for item in status["assignments"] if item["unit"] == INSPECTORATE],
            "clocks": [_without_office(item) for item in status["clocks"]],
            "timeline": [_bare(entry) for entry in status["timeline"]],
        }
    if _is_insider(speaker, status):
        return status
    own = _own(speaker, status)
    ids = {item["id"] for item in own}
    return status | {
        "class": None,
        "assignments": own,
        "clocks": [item for item in status["clocks"] if item["assignment_id"] in ids],
        "timeline": _own_entries(speaker, own, status["timeline"]),
    }


def case_view(case: dict[str, Any], status: dict[str, Any] | None, answers: Sequence[KnownAnswer], speaker: Speaker) -> dict[str, Any]:
    """The notifier's last word, as far as it is this reader's; before there is one, what intake itself knows.

    With the texts of the `answers` that are kept, and a unit's or desk's own `drafts`.
    """
    view = {"id": case["id"], "source": case["source"], "source_ref": case["source_ref"]}
    if status is not None:
        told = told_to(speaker, status)
        view |= {name: told[name] for name in ("state", "class", "reported_at", "assignments", "clocks", "timeline")}
        return view | spoken_view(_answers_told(speaker, status, answers), answers, speaker)
    received = from_json(case["received"])
    return view | {
        "state": "received",
        "class": received["class"],
        "reported_at": case["reported_at"],
        "assignments": [],
        "clocks": [],
        "answers": [],
        "timeline": [{"at": case["accepted_at"], "what": "received", "by": f"source:{case['source']}"}],
    }


def may_know_joined(speaker: Speaker, answer: KnownAnswer, lead: dict[str, Any] | None) -> bool:
    """Whether a reader of a merged case is shown the answer of the one it went into: of an oversight case only who may read that."""
    if speaker.subject is None or answer.is_of(speaker):
        return True
    return lead is not None and not _concerns_oversight(lead)


def _answers_told(speaker: Speaker, status: dict[str, Any], known: Sequence[KnownAnswer]) -> list[dict[str, Any]]:
    """To a source without the office; to an office its own alone, of a desk only those that are known to be."""
    told: list[dict[str, Any]] = status["answers"]
    if speaker.subject is None or not _concerns_oversight(status) or _is_insider(speaker, status):
        return told
    if speaker.role == "source":
        return [_without_office(item) for item in told]
    owned = {str(answer.id): answer.is_of(speaker) for answer in known}
    return [item for item in told if owned.get(str(item["id"]), speaker.role == "unit" and item["unit"] == speaker.subject)]


def _concerns_oversight(status: dict[str, Any]) -> bool:
    # A status from before there was the word has none.
    return concerns_oversight(status["class"], (item["unit"] for item in status["assignments"]), is_told=status.get("is_oversight", False))


def _own(speaker: Speaker, status: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in status["assignments"] if item.get(speaker.role) == speaker.subject]


def _is_insider(speaker: Speaker, status: dict[str, Any]) -> bool:
    """The inspectorate, or a desk that has a part from it."""
    if speaker.role == "source":
        return False
    parts = (item for item in _own(speaker, status) if item["unit"] == INSPECTORATE)
    return any(makes_readers(INSPECTORATE, item["state"], in_oversight=True) for item in parts)


def _without_office(item: dict[str, Any]) -> dict[str, Any]:
    return item if item["unit"] == INSPECTORATE else item | {"unit": None}


def _bare(entry: dict[str, Any]) -> dict[str, Any]:
    """What happened, without what was written about it and without the office; what the reporter is asked for stays."""
    counted, mark = _uncounted(entry["what"])
    head = counted if counted.startswith("need info by ") else _WRITTEN.sub("", counted)
    is_office = (entry["by"] or "").startswith(("unit:", "desk:")) and entry["by"] != f"unit:{INSPECTORATE}"
    return entry | {"what": _NAMED_OFFICE.sub("", head) + mark, "by": None if is_office else entry["by"]}


def _own_entries(speaker: Speaker, own: Sequence[dict[str, Any]], timeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """That it came in, that it was given to the speaker, and what the speaker said itself; a unit's desks are the unit's."""
    offices = {speaker.subject, *(item["desk"] for item in own)} - {None}
    given = {"received", *(f"assigned to {name}" for name in offices)}
    writers = {speaker.name, *(f"desk:{item['desk']}" for item in own)}
    found = []
    for entry in timeline:
        if entry["what"] in given:
            found.append(entry)
        elif entry["by"] in writers:
            found.append(entry | {"what": "".join(_uncounted(entry["what"]))})
    return found


def _uncounted(what: str) -> tuple[str, str]:
    """A line, and behind it whether it does not count, without why: that may lie in what others have of the case."""
    mark = _DOES_NOT_COUNT.search(what)
    return (what[: mark.start()], mark[1]) if mark else (what, "")
