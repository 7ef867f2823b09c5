"""How sure the router must be before it decides without a person, and what a mistake costs. Pure; `jalur router calibrate` writes the file.

It must not be set by hand: the numbers hold for one model and one set of terms.
"""

import tomllib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FILE = "thresholds.toml"
OTHER_AGENCY = "other_agency"

Share = Annotated[float, Field(ge=0, le=1)]
Score = Annotated[float, Field(ge=-50, le=50)]


class ThresholdError(ValueError):
    """The file is refused; the text names the entry."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Costs(_File):
    """In looks of a clerk. A wrong route costs the unit's look, the way back and days of the law's clock."""

    wrong_route: float = Field(gt=1)
    wrong_transfer: float = Field(gt=1, description="of sending a reporter to another agency")
    withheld_look: float = Field(gt=0, description="of a look at a report whose text the clerk may not see")
    missed_oversight: float = Field(gt=1, description="of showing an accusation to the office that is accused")


class Thresholds(_File):
    """`units` and `other_agency`: the least confidence, by outcome, for a decision without a person. The others are the least
    confidence with which a flag is raised, an agency is named, or a report is taken for too vague."""

    temperature: float = Field(gt=0, description="by which the model's scores are divided, so that confidence is a frequency")
    costs: Costs
    default: Share
    other_agency: Share
    units: dict[str, Share] = {}
    agency: Share
    vague: Share
    oversight: Share
    oversight_in_doubt: Share
    urgent: Share
    special_data: Share
    service: Share

    def of(self, outcome: str) -> float:
        return self.other_agency if outcome == OTHER_AGENCY else self.units.get(outcome, self.default)


def read_thresholds(content: bytes, outcomes: tuple[str, ...]) -> Thresholds:
    """Raises ThresholdError; `outcomes` are the units that may be named."""
    try:
        raw: Any = tomllib.loads(content.decode())
        found = Thresholds.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ThresholdError(f"{FILE}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError as error:
        raise ThresholdError(f"{FILE}: {error}") from None
    if unknown := [slug for slug in found.units if slug not in outcomes]:
        raise ThresholdError(f"{FILE}: units: unknown unit {unknown[0]!r}")
    if found.oversight_in_doubt > found.oversight:
        raise ThresholdError(f"{FILE}: oversight_in_doubt is above oversight")
    return found
