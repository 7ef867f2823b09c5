"""Who is away, and who stands in: what may be written into that table, and who hears in the end. Pure."""

import re

from services.notifier.ladder import ADMIN, Absences
from shared.units import UNIT_SLUGS, UnitDirectory

_DESK = re.compile(r"[a-z]+:[a-z0-9]+(-[a-z0-9]+)*")


def check_desk(desk: str, directory: UnitDirectory) -> str:
    """The desk as it was written. ValueError for what cannot be one, and for a Kanwil that does not exist; offices are not listed."""
    if not _DESK.fullmatch(desk):
        raise ValueError(f"{desk[:60]!r} is no desk; it is written as kanim:kupang or kanwil:nusa-tenggara-timur")
    known = [kanwil.desk for kanwil in directory.kanwil]
    if desk.startswith("kanwil:") and desk not in known:
        raise ValueError(f"there is no {desk}; the unit directory has {', '.join(sorted(known))}")
    return desk


def check_deputy(deputy: str, directory: UnitDirectory) -> str:
    """A desk, a unit of the directory, or admin instansi."""
    if deputy == ADMIN or deputy in UNIT_SLUGS:
        return deputy
    if ":" not in deputy:
        raise ValueError(f"no unit {deputy[:60]!r} to stand in; write a desk, {ADMIN}, or one of {', '.join(UNIT_SLUGS)}")
    return check_desk(deputy, directory)


def deputies(desk: str, deputy: str | None, away: Absences) -> list[str]:
    """Who would be asked in turn, down to somebody present or to nobody. ValueError where that comes back to somebody asked before."""
    asked: list[str] = []
    while deputy is not None:
        asked.append(deputy)
        if deputy == desk or deputy in asked[:-1]:
            raise ValueError(f"they would stand in for each other: {' → '.join([desk, *asked])}")
        if deputy not in away:
            break
        deputy = away[deputy]
    return asked


def hears(desk: str, away: Absences) -> str | None:
    """Who hears in place of a desk that is away; None: whoever stands above it."""
    try:
        asked = deputies(desk, away.get(desk), away)
    except ValueError:
        return None
    return asked[-1] if asked and asked[-1] not in away else None
