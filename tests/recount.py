"""A second count of the quarterly account, from the stored facts as JSON and from nothing of the account's or the case's own modules.

It knows what the generated cases of its test do, one fact after the other, and walks the days of the calendar one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from services.notifier.calendar import load_calendar
from shared.units import load_directory

CALENDAR, DIRECTORY = load_calendar(), load_directory()
FINISH_DAYS = {"informasi": 5, "aspirasi": 5, "pengaduan": 14, "pengaduan_pengawasan": 60}
Pair = tuple[datetime, datetime]
Pauses = list[tuple[datetime, datetime | None]]


def _at(fact: Mapping[str, Any], name: str = "at") -> datetime:
    return datetime.fromisoformat(fact[name]).astimezone(UTC)


def _days_from(start: date) -> Iterable[date]:
    return (start + timedelta(days=number) for number in range(1, 400))


def _closes(start: datetime, zone: ZoneInfo, pauses: Pauses) -> Iterable[datetime]:
    """The closes of office that count from the day after the start on."""
    for day in _days_from(start.astimezone(zone).date()):
        if day.weekday() < 5 and day not in CALENDAR.days_off:
            close = datetime.combine(day, time(16, 30) if day.weekday() == 4 else time(16), zone).astimezone(UTC)
            if not any(since <= close and (until is None or close < until) for since, until in pauses):
                yield close


def due(start: datetime, days: int, zone: ZoneInfo, pauses: Pauses) -> datetime | None:
    for number, close in enumerate(_closes(start, zone, pauses), start=1):
        if number == days:
            return close
    return None


def days_between(start: datetime, end: datetime, zone: ZoneInfo, pauses: Pauses) -> int:
    return sum(close <= end for close in _closes(start, zone, pauses))


def office_hours(start: datetime, end: datetime, zone: ZoneInfo, pauses: Pauses) -> float:
    total, day = timedelta(0), start.astimezone(zone).date()
    while day <= end.astimezone(zone).date():
        if day.weekday() < 5 and day not in CALENDAR.days_off:
            opens, shuts = (
                datetime.combine(day, at, zone).astimezone(UTC) for at in (time(7, 30), time(16, 30) if day.weekday() == 4 else time(16))
            )
            here = (max(opens, start), min(shuts, end))
            total += max(timedelta(0), here[1] - here[0])
            for since, until in pauses:
                total -= max(timedelta(0), min(here[1], until or here[1]) - max(here[0], since)) if here[0] < here[1] else timedelta(0)
        day += timedelta(days=1)
    return total.total_seconds() / 3600


def judge(done: Pair | None, starts: Pair, days: int, zone: ZoneInfo, pauses: Pauses, until: datetime) -> tuple[Pair, Pair] | None:
    """((surely, perhaps) in time, (surely, perhaps) late) as numbers; None where a pause keeps the deadline from coming."""
    dues = [due(start, days, zone, pauses) for start in starts]
    if dues[0] is None or dues[1] is None:
        return None
    if done is None:
        return ((0, 0), (until > dues[1], until > dues[0]))  # type: ignore[return-value]
    in_low, in_high = done[1] <= dues[0], done[0] <= dues[1]
    return ((in_low, in_high), (not in_high, not in_low))  # type: ignore[return-value]


class Held:
    """An assignment: `stretches` of its first follow-up as [start, done or released, whether done]."""

    def __init__(self, fact: Mapping[str, Any]) -> None:
        self.unit, self.desk, self.copies, self.at = fact["unit"], fact["desk"], fact["copies"], _at(fact)
        self.stretches: list[list[Any]] = [[self.at, None, False]]
        self.state = "open"
        self.turns: list[list[Any]] = [[self.at, None]]
        self.returned_at: datetime | None = None
        self.answers: list[datetime] = []
        self.is_reopened = False

    def stop(self, at: datetime, is_done: bool) -> None:
        if self.stretches[-1][1] is None:
            self.stretches[-1][1:] = [at, is_done]

    def leave(self, at: datetime, state: str) -> None:
        self.state = state
        if self.turns[-1][1] is None:
            self.turns[-1][1] = at


class Recounted:
    def __init__(self, facts: list[dict[str, Any]], as_of: datetime) -> None:
        self.as_of = as_of
        self.report = next(fact for fact in facts if fact["fact"] == "reported")
        self.reported_at, self.accepted_at = _at(self.report, "reported_at"), _at(self.report)
        self.facts = sorted((fact for fact in facts if fact["fact"] != "reported" and _at(fact) <= as_of), key=_at)
        self.zone = DIRECTORY.zone(None, self.report["province"])
        self.class_, self.is_oversight = self.report["class_"], False
        self.verified: Pair | None = None
        self.held: dict[str, Held] = {}
        self.parts: dict[str, str] = {}
        self.pauses: Pauses = []
        self.first_answer: Pair | None = None
        self.answered_at: datetime | None = None
        self.ended: tuple[str, Pair] | None = None
        self.reopenings = 0
        self.turns: list[tuple[datetime, bool]] = [] if self.report["is_final"] else [(self.reported_at, True)]
        self.triage: list[list[Any]] = []
        self.router: list[list[Any]] = []
        if self.report["state"] == "verified" and not self.report["is_final"]:
            self.verified = (self.reported_at, self.accepted_at)
        self.told = self.accepted_at
        for fact in self.facts:
            getattr(self, f"_{fact['fact']}")(fact, _at(fact))
        first = min(
            [_at(fact) for fact in self.facts if fact["fact"] == "decided"] + ([self.ended[1][1]] if self.ended else []), default=None
        )
        self.router.append([self.accepted_at, first])

    def _requested(self, fact: dict[str, Any], at: datetime) -> None:
        self.router.append([at, None])

    def _ordered(self, fact: dict[str, Any], at: datetime) -> None:
        pass

    def _decided(self, fact: dict[str, Any], at: datetime) -> None:
        self.class_ = fact["class_"] or self.class_
        self.is_oversight |= fact["is_oversight"]
        if fact["decided_by"] != "router" and self.verified is None:
            self.verified = (at, at)
        if fact["decision"]:
            self.parts.pop("0/0")
            for turn in (*self.router, *self.triage):
                turn[1] = turn[1] or at
        self.parts[f"{fact['decision']}/{fact['part']}"] = fact["outcome"]
        if fact["outcome"] == "routed":
            self.held[fact["assignment_id"]] = Held(fact)
        elif fact["outcome"] == "held":
            self.triage.append([at, None])
        elif fact["outcome"] == "transferred":
            self.turns.append((at, False))

    def _said(self, fact: dict[str, Any], at: datetime) -> None:
        status, mine = fact["status"], self.held.get(fact["assignment_id"] or "")
        if status == "verified":
            self.verified = (at, at)
        elif status == "need_info":
            self.pauses.append((at, None))
        elif status == "resumed":
            self.pauses[-1] = (self.pauses[-1][0], at)
        elif mine is not None and status in ("followed_up", "answered"):
            mine.stop(at, True)
            if status == "answered":
                mine.leave(at, "answered")
                mine.answers.append(at)
                if all(item.state in ("answered", "returned") for item in self.held.values()):
                    self.answered_at, self.first_answer = at, self.first_answer or (at, at)
                    self.turns.append((at, False))
        elif mine is not None and status == "returned":
            mine.stop(at, False)
            mine.leave(at, "returned")
            mine.returned_at = at

    def _changed(self, fact: dict[str, Any], at: datetime) -> None:
        when = (self.told, at) if fact["is_interval"] else (at, at)
        self.told = at if fact["is_interval"] else self.told
        self.class_ = fact["class_"] or self.class_
        if fact["kind"] in ("withdrawn", "archived", "closed"):
            self.ended = (fact["kind"], when)
            self.turns.append((at, False))
            for item in self.held.values():
                item.stop(at, fact["kind"] == "closed")
                item.leave(at, "answered" if item.state == "answered" else item.state if item.state == "returned" else "ended")
            for turn in (*self.router, *self.triage):
                turn[1] = turn[1] or at
            if self.first_answer is None and fact["kind"] == "closed":
                self.first_answer = when
            if self.pauses and self.pauses[-1][1] is None:
                self.pauses[-1] = (self.pauses[-1][0], at)
        elif fact["state"] == "verified" and self.verified is None:
            self.verified = when
        elif fact["kind"] == "replied":
            self.answered_at, self.reopenings = None, self.reopenings + 1
            self.turns.append((at, True))
            for item in self.held.values():
                if item.state == "answered":
                    item.state, item.is_reopened = "open", True
                    item.stretches.append([at, None, False])
                    item.turns.append([at, None])

    # --- the same names as the account's JSON

    @property
    def about_oversight(self) -> bool:
        return self.is_oversight or self.class_ == "pengaduan_pengawasan" or any(item.unit == "itjen" for item in self.held.values())

    def group(self, start: datetime, end: datetime) -> str | None:
        if start <= self.reported_at < end:
            return "received"
        before = [is_open for at, is_open in self.turns if at < start]
        return "carried_over" if self.reported_at < start and before and before[-1] else None

    def keys(self) -> dict[str, list[str]]:
        kanwil = sorted({name for item in self.held.values() for name in [item.desk, *item.copies] if name and name.startswith("kanwil:")})
        place = DIRECTORY.province(self.report["province"])
        nobody = "history" if self.report["is_final"] else "triage" if "held" in self.parts.values() else "other_agency"
        return {
            "total": ["oversight" if self.about_oversight else "ordinary"],
            "unit": sorted({item.unit for item in self.held.values()})
            or [nobody if self.parts or self.report["is_final"] else "undecided"],
            "kanwil": ["oversight"] if self.about_oversight else kanwil or [place.kanwil if place else "none"],
            "class": [self.class_ or "none"],
            "channel": ["oversight" if self.about_oversight else "/".join(filter(None, (self.report["source"], self.report["channel"])))],
        }

    def hours(self) -> dict[str, float]:
        end = self.ended[1][1] if self.ended else self.as_of
        found = {"source": office_hours(self.reported_at, min(self.accepted_at, self.as_of), self.zone, [])}
        paused = [(since, until) for since, until in self.pauses]
        found["reporter"] = sum(office_hours(since, until or end, self.zone, []) for since, until in paused)
        for name, turns in (("router", self.router), ("triage", self.triage)):
            found[name] = sum(office_hours(since, until or end, self.zone, paused) for since, until in turns if since < (until or end))
        found["unit"] = sum(
            office_hours(since, until or end, self._zone_of(item), paused) for item in self.held.values() for since, until in item.turns
        )
        return found

    def _zone_of(self, item: Held) -> ZoneInfo:
        return DIRECTORY.zone(item.desk, self.report["province"], item.copies)

    def counts(self, unit: str | None) -> tuple[Counter[str], Counter[str], tuple[int, int] | None]:
        """At least, at most, and the days to the answer (by either bound)."""
        low, high = Counter[str](), Counter[str]()

        def add(name: str, pair: Sequence[Any] = (1, 1)) -> None:
            low[name] += int(pair[0])
            high[name] += int(pair[1])

        def both(stage: str, verdicts: list[Any]) -> None:
            late = [any(item[1][number] for item in verdicts if item) for number in (0, 1)]
            in_time = [any(item[0][number] for item in verdicts if item) and not late[1 - number] for number in (0, 1)]
            add(f"{stage}_in_time", in_time)
            add(f"{stage}_late", late)

        add("received")
        mine = [item for item in self.held.values() if unit in (None, item.unit)]
        kept = [item for item in mine if item.state != "returned"]
        closed = self.ended[1] if self.ended and self.ended[0] == "closed" else None
        is_mine = unit is not None and bool(mine)
        if self.report["is_final"]:
            add("history")
            return low, high, None
        standing = self._standing(kept, is_mine, closed)
        add(standing)
        stopped = min(
            [at for at in (self.first_answer and self.first_answer[1], self.ended and self.ended[1][1]) if at], default=self.as_of
        )
        done = self.verified if self.verified and self.verified[0] <= stopped else None
        both("verified", [judge(done, (self.reported_at,) * 2, 3, self.zone, [], stopped)])
        verdicts, is_waiting = [], False
        for item in mine:
            for number, (start, stop, is_done) in enumerate(item.stretches):
                when = (closed if closed and stop == closed[1] else (stop, stop)) if is_done else None
                verdict = judge(when, (start, start), 5, self._zone_of(item), self.pauses, stop or self.as_of)
                is_waiting |= number == 0 and stop is None and not (verdict and verdict[1][1])
                verdicts.append(verdict)
        both("followed_up", [item and ((0, 0), item[1]) for item in verdicts] if is_waiting else verdicts)
        answer = self._answer(kept, is_mine, standing, closed)
        finish = FINISH_DAYS.get(self.class_ or "")
        starts = (self.reported_at,) * 2 if self.class_ == "pengaduan_pengawasan" else self.verified
        if standing == "finished" and answer and finish and starts and starts[0] <= answer[1]:
            both("finished", [judge(answer, starts, finish, self.zone, self.pauses, self.as_of)])
        if standing == "open":
            self._overdue(add, mine, is_mine, finish, starts)
        if any(item.is_reopened for item in mine) if is_mine else self.reopenings:
            add("reopened")
        for item in mine:
            if item.returned_at is not None:
                add("returned")
                zone = self._zone_of(item)
                until = due(item.at, 5, zone, self.pauses)
                if (
                    until
                    and office_hours(item.at, item.returned_at, zone, self.pauses) > office_hours(item.at, until, zone, self.pauses) / 2
                ):
                    add("returned_late")
        if answer is None:
            return low, high, None
        start, zone = (kept[0].at, self._zone_of(kept[0])) if is_mine else (self.reported_at, self.zone)
        return low, high, (days_between(start, answer[0], zone, self.pauses), days_between(start, answer[1], zone, self.pauses))

    def _standing(self, kept: list[Held], is_mine: bool, closed: Pair | None) -> str:
        if is_mine:
            if not kept:
                return "passed_on"
            if any(item.state == "open" for item in kept):
                return "open"
            return "finished" if closed or any(item.state == "answered" for item in kept) else "not_pursued"
        if self.answered_at or closed:
            return "finished"
        if self.ended:
            return "not_pursued"
        return "passed_on" if set(self.parts.values()) == {"transferred"} else "open"

    def _answer(self, kept: list[Held], is_mine: bool, standing: str, closed: Pair | None) -> Pair | None:
        if not is_mine:
            return self.first_answer
        if kept and all(item.answers for item in kept):
            return (max(item.answers[0] for item in kept),) * 2
        return closed if standing == "finished" else None

    def _overdue(self, add: Any, mine: list[Held], is_mine: bool, finish: int | None, starts: Pair | None) -> None:
        found = []
        for item in mine:
            if item.stretches[-1][1] is None:
                start = item.stretches[-1][0]
                found.append(judge(None, (start, start), 5, self._zone_of(item), self.pauses, self.as_of))
        if self.first_answer is None:
            if not is_mine and self.verified is None:
                found.append(judge(None, (self.reported_at,) * 2, 3, self.zone, [], self.as_of))
            if finish and starts:
                found.append(judge(None, starts, finish, self.zone, self.pauses, self.as_of))
            if self.class_ in ("pengaduan", "pengaduan_pengawasan"):
                self._statute(found)
        add("overdue", [any(item[1][number] for item in found if item) for number in (0, 1)])

    def _statute(self, found: list[Any]) -> None:
        """UU 25/2009: a word within 14 calendar days of receipt, the answer within 60 of the complete file."""

        def end(start: datetime, days: int) -> datetime:
            return datetime.combine(start.astimezone(self.zone).date() + timedelta(days=days), time(23, 59, 59), self.zone)

        is_quiet = not self.pauses and not any(fact.get("status") == "followed_up" for fact in self.facts)
        if is_quiet:
            found.append(((0, 0), (self.as_of > end(self.reported_at, 14),) * 2))
        # A file that was completed is complete from then on; while the reporter is asked it is not due.
        if not self.pauses or self.pauses[-1][1] is not None:
            complete = self.pauses[-1][1] if self.pauses else self.reported_at
            assert complete is not None
            found.append(((0, 0), (self.as_of > end(complete, 60),) * 2))


class Sums:
    """One row, added up."""

    def __init__(self) -> None:
        self.low, self.high = Counter[str](), Counter[str]()
        self.days: list[tuple[int, int]] = []
        self.hours: defaultdict[str, float] = defaultdict(float)

    def add(self, case: Recounted, unit: str | None) -> None:
        low, high, days = case.counts(unit)
        self.low += low
        self.high += high
        self.days += [days] if days is not None else []
        for holder, hours in (case.hours() if not case.report["is_final"] else {}).items():
            self.hours[holder] += hours

    def median_and_90th(self) -> list[tuple[float, float] | None]:
        if not self.days:
            return [None, None]
        sides = [sorted(days[number] for days in self.days) for number in (0, 1)]
        nearest = [side[max(0, -(-90 * len(side) // 100) - 1)] for side in sides]
        return [(float(median(sides[0])), float(median(sides[1]))), (float(nearest[0]), float(nearest[1]))]


def recount(
    cases: Iterable[list[dict[str, Any]]], start: datetime, end: datetime, as_of: datetime
) -> dict[tuple[str, str, str, bool], Sums]:
    """By group, table, key and whether the row is about oversight."""
    found: defaultdict[tuple[str, str, str, bool], Sums] = defaultdict(Sums)
    for facts in cases:
        case = Recounted(facts, as_of)
        group = case.group(start, end) if case.reported_at <= as_of else None
        if group is None:
            continue
        for table, keys in case.keys().items():
            for key in keys:
                found[group, table, key, case.about_oversight].add(case, key if table == "unit" else None)
        found[group, "total", "all", False].add(case, None)
    return found
