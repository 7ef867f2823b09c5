"""The clocks' policies, read from data and checked. Pure but for reading its own package's file; a missing policy is an error."""

import tomllib
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.events import FollowUpKind


class Level(BaseModel):
    """One instant of a clock: so many working days from its deadline, and who then hears of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: int
    kind: FollowUpKind
    after_working_days: int
    to: tuple[Literal["unit", "triage", "admin_instansi"], ...] = Field(min_length=1)


class Policy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str
    basis: str
    runs_on: Literal["case", "assignment"]
    working_days: int = Field(ge=1)
    levels: tuple[Level, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> "Policy":
        for before, after in pairwise(self.levels):
            if after.level <= before.level or after.after_working_days <= before.after_working_days:
                raise ValueError(f"{self.code}: levels must rise, and so must their days")
        return self


class Policies(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    clocks: tuple[Policy, ...]

    def policy(self, code: str) -> Policy:
        """Raises `KeyError` naming the code: no clock runs without a policy."""
        for policy in self.clocks:
            if policy.code == code:
                return policy
        raise KeyError(f"no policy for the clock {code}; policies.toml {self.version} has {', '.join(item.code for item in self.clocks)}")


VERIFICATION = "LAPOR_VERIFIKASI"
FIRST_FOLLOW_UP = "LAPOR_TINDAK_LANJUT"


@cache
def load_policies() -> Policies:
    text = (files("services.notifier") / "data" / "policies.toml").read_text(encoding="utf-8")
    found = Policies.model_validate(tomllib.loads(text))
    for code in (VERIFICATION, FIRST_FOLLOW_UP):
        found.policy(code)
    return found
