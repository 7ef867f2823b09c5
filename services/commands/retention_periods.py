"""How long the words of a complaint are kept, by its service; from `data/retention.toml` or a ministry's own file. Pure."""

import tomllib
from datetime import datetime
from importlib.resources import files
from typing import get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.events import ServiceName

DEFAULT = "default"
_KNOWN = (DEFAULT, *get_args(ServiceName))


class Period(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    active_years: int = Field(ge=0, le=50)
    inactive_years: int = Field(ge=0, le=50)

    @property
    def years(self) -> int:
        return self.active_years + self.inactive_years


_PERIODS: TypeAdapter[dict[str, Period]] = TypeAdapter(dict[str, Period])


def load_periods() -> dict[str, Period]:
    """The packaged ones."""
    return read_periods((files("services.commands") / "data" / "retention.toml").read_text(encoding="utf-8"))


def read_periods(text: str) -> dict[str, Period]:
    """ValueError says what is wrong; a misspelt service would keep its words too long, or not long enough."""
    found = _PERIODS.validate_python(tomllib.loads(text))
    unknown = [name for name in found if name not in _KNOWN]
    if unknown:
        raise ValueError(f"no service {unknown[0]!r}; there are {', '.join(_KNOWN)}")
    if DEFAULT not in found:
        raise ValueError(f"[{DEFAULT}] is missing")
    return found


def over_at(ended_at: datetime, service: str | None, periods: dict[str, Period]) -> datetime:
    """From when on its words may not be kept any longer: the same day so many years later, of 29 February the day after."""
    year = ended_at.year + periods.get(service or DEFAULT, periods[DEFAULT]).years
    try:
        return ended_at.replace(year=year)
    except ValueError:
        return ended_at.replace(year=year, month=3, day=1)
