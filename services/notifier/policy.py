"""The clocks' policies, read from data and checked. Pure but for reading its own package's file; a missing policy is an error."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import pairwise, product
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from shared.events import ComplaintClass, FollowUpKind, ServiceName, UnitSlug

PeriodUnit = Literal["wd", "cd", "h"]
# What happens in a case, or to an assignment, that may start or stop a clock. `answered` of the case: everybody has answered.
Mark = Literal[
    "received", "verified", "complete", "held", "placed", "proposed", "confirmed", "rerouting", "rerouted", "asked", "completed",
    "answered", "replied",
    "assigned", "accepted", "followed_up", "returned", "reopened", "ended",
]  # fmt: skip
Addressee = Literal["office", "kanwil", "unit", "inspectorate", "admin_instansi", "triage"] | UnitSlug
VERIFICATION = "LAPOR_VERIFIKASI"
FIRST_FOLLOW_UP = "LAPOR_TINDAK_LANJUT"
REROUTE_PENDING = "REROUTE_PENDING"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Level(_Row):
    """One instant of a clock, `after` so many of its periods' units past the deadline, and who then hears of it."""

    level: int
    kind: FollowUpKind
    after: int = 0
    to: tuple[Addressee, ...] = Field(min_length=1)


class Applies(_Row):
    """Of what a clock runs; what is left out does not matter. `sources` may begin with `not`."""

    services: tuple[ServiceName, ...] | None = None
    not_services: tuple[ServiceName, ...] = ()
    classes: tuple[ComplaintClass, ...] | None = None
    channels: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    not_sources: tuple[str, ...] = ()
    units: tuple[UnitSlug, ...] | None = None
    is_oversight: bool | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a policy is chosen by. `received_on` is the day of receipt on the clock of the place; `unit` null for the case itself."""

    received_on: date
    source: str | None
    service: str | None
    class_: str | None
    channel: str | None
    category: str | None
    is_oversight: bool
    unit: str | None = None


class Policy(_Row):
    """One row. Several rows may have one code, for different matters or days of receipt: the first that applies is the one."""

    code: str = Field(pattern=r"^[A-Z][A-Z0-9_]{2,40}$")
    basis: str = Field(min_length=10)
    is_setting: bool = False  # the period was not found in a primary text: the installation answers for it
    valid_from: date | None = None
    valid_until: date | None = None
    applies: Applies = Applies()
    runs_on: Literal["case", "assignment"]
    family: Literal["finish"] | None = None
    amount: int = Field(ge=1)
    unit: PeriodUnit
    starts: tuple[Mark, ...] = Field(min_length=1)
    stops: tuple[Mark, ...] = Field(min_length=1)
    pauses: bool = False
    extension: int | None = Field(default=None, ge=1)
    at_expiry: Literal["none", "closed", "withdrawn"] = "none"
    levels: tuple[Level, ...] = ()

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        for before, after in pairwise(self.levels):
            if after.level <= before.level or after.after <= before.after:
                raise ValueError(f"{self.code}: levels must rise, and so must their periods")
        for item in self.levels:
            if (item.level < 0) != (item.after < 0) or (item.level == 0) != (item.after == 0):
                raise ValueError(f"{self.code}: level {item.level} and after = {item.after} must have the same sign")
            if (item.kind == "reminder") != (item.level < 0):
                raise ValueError(
                    f"{self.code}: level {item.level} is of kind {item.kind}; reminders, and nothing else, come before the deadline"
                )
            if -item.after >= self.amount:
                raise ValueError(f"{self.code}: a reminder {-item.after} before the deadline does not fit into a period of {self.amount}")
        if not self.levels and self.at_expiry == "none":
            raise ValueError(f"{self.code}: without a level and without an act at its expiry the clock would be silent")
        if set(self.starts) & set(self.stops):
            raise ValueError(f"{self.code}: what starts a clock cannot stop it")
        if self.at_expiry != "none" and self.starts != ({"closed": "answered", "withdrawn": "asked"}[self.at_expiry],):
            raise ValueError(f"{self.code}: only the answer starts a clock that closes a case, only the question one that withdraws it")
        if self.valid_from and self.valid_until and self.valid_from > self.valid_until:
            raise ValueError(f"{self.code}: valid_until lies before valid_from")
        return self

    def applies_to(self, subject: Subject) -> bool:
        rule = self.applies
        return (
            (self.valid_from is None or self.valid_from <= subject.received_on)
            and (self.valid_until is None or subject.received_on <= self.valid_until)
            and (rule.services is None or subject.service in rule.services)
            and subject.service not in rule.not_services
            and (rule.classes is None or subject.class_ in rule.classes)
            and (rule.channels is None or subject.channel in rule.channels)
            and (rule.categories is None or subject.category in rule.categories)
            and (rule.sources is None or subject.source in rule.sources)
            and subject.source not in rule.not_sources
            and (rule.units is None or subject.unit in rule.units)
            and (rule.is_oversight is None or rule.is_oversight == subject.is_oversight)
        )

    def level(self, number: int) -> Level | None:
        return next((item for item in self.levels if item.level == number), None)


# Every case must have these watched, whatever it is of: (what runs, what starts it, what for).
_NEEDED: tuple[tuple[str, Mark, str], ...] = (
    ("case", "received", "verification of a report"),
    ("case", "held", "a case at the triage desk"),
    ("case", "proposed", "a transfer that waits for a yes"),
    ("case", "rerouting", "a request for another decision"),
    ("case", "asked", "a reporter who was asked for more"),
    ("case", "answered", "the reporter's time to reply"),
    ("assignment", "assigned", "an assignment"),
)
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.[1-9])?")


class Policies(_Row):
    """All rows. `version`: a newer one sorts after an older one, and re-times what runs by the older."""

    version: str
    clocks: tuple[Policy, ...]
    _chosen: dict[Subject, tuple[Policy, ...]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _watches_everything(self) -> Self:
        if not _VERSION.fullmatch(self.version):
            raise ValueError(f"version is a day, and a number where it has several: 2026-11-22 or 2026-11-22.1, not {self.version!r}")
        for subject in self._every_subject():
            case, assignment = self.of_case(subject), self.of_assignment(subject)
            missing = [
                what
                for runs_on, mark, what in _NEEDED
                if not any(mark in row.starts for row in (case if runs_on == "case" else assignment))
            ]
            if not any("accepted" in row.stops for row in assignment):
                missing.append("the delivery of an assignment")
            if not any("followed_up" in row.stops and "accepted" not in row.stops for row in assignment):
                missing.append("a first follow-up")
            if subject.class_ is not None and not any(row.family == "finish" for row in case):
                missing.append("the answer itself")
            if missing:
                raise ValueError(f"no policy for {', '.join(missing)}: {subject}")
        self._chosen.clear()
        return self

    def _every_subject(self) -> Iterator[Subject]:
        days = {date(2000, 1, 1), date(2045, 12, 31)}
        for row in self.clocks:
            days |= {day for day in (row.valid_from, row.valid_until) if day is not None}
            if row.valid_until is not None:
                days.add(date.fromordinal(row.valid_until.toordinal() + 1))
            if row.valid_from is not None:
                days.add(date.fromordinal(row.valid_from.toordinal() - 1))
        classes = (None, *get_args(ComplaintClass))
        sources = ("lapor", "other")
        for day, source, service, class_, is_oversight in product(sorted(days), sources, get_args(ServiceName), classes, (False, True)):
            yield Subject(day, source, service, class_, None, None, is_oversight, "itjen" if is_oversight else "imigrasi")

    def of_case(self, subject: Subject) -> tuple[Policy, ...]:
        """The case's own clocks, one row a code."""
        return tuple(row for row in self._of(subject) if row.runs_on == "case")

    def of_assignment(self, subject: Subject) -> tuple[Policy, ...]:
        return tuple(row for row in self._of(subject) if row.runs_on == "assignment")

    def _of(self, subject: Subject) -> tuple[Policy, ...]:
        found = self._chosen.get(subject)
        if found is None:
            rows: dict[str, Policy] = {}
            for row in self.clocks:
                if row.code not in rows and row.applies_to(subject):
                    rows[row.code] = row
            if len(self._chosen) > 4096:  # days of receipt go by
                self._chosen.clear()
            found = self._chosen[subject] = tuple(rows.values())
        return found


def read_policies(text: str) -> Policies:
    """Policies from the text of `policies.toml`; what is wrong with it is a ValueError that names the clock."""
    data = tomllib.loads(text)
    try:
        return Policies.model_validate(data)
    except ValidationError as error:
        raise ValueError("; ".join(_named(item, data) for item in error.errors(include_url=False))) from None


def _named(error: ErrorDetails, data: dict[str, Any]) -> str:
    """Rows have numbers for pydantic and codes for people."""
    place, words = list(error["loc"]), error["msg"].removeprefix("Value error, ")
    if place[:1] == ["clocks"] and len(place) > 1:
        code = data["clocks"][place[1]].get("code", f"row {place[1]}")
        field = ".".join(str(name) for name in place[2:])
        return f"{code}: {field}: {words}" if field else words
    return f"{'.'.join(str(name) for name in place)}: {words}" if place else words


@cache
def load_policies() -> Policies:
    return read_policies((files("services.notifier") / "data" / "policies.toml").read_text(encoding="utf-8"))
