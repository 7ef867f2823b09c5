"""Which desk of a unit gets a report, and which Kanwil is told. Pure. It must not choose the unit."""

from services.router.decision import Assign
from services.router.places import Place
from shared.events import ComplaintReceived
from shared.units import UnitDirectory

# Units whose matters are handled at the Kanwil of the place; the others have no staff there.
UNITS_AT_KANWIL = frozenset({"imigrasi", "pemasyarakatan", "ahu", "ki", "ham", "bphn", "pp"})


def addressed(unit: str, report: ComplaintReceived, place: Place, directory: UnitDirectory) -> tuple[Assign, ...]:
    """One part for each office of the unit that the report names, the Kanwil in copy; without an office one for the Kanwil of the place.

    Since about 2023 immigration and corrections are served by their technical offices, no longer by the Kanwil, which is told
    (service standards of Kanwil NTT). At least one part, the first named first.
    """
    if unit not in UNITS_AT_KANWIL:
        return (Assign(unit),)
    kanwil = kanwil_of(report, place, directory)
    parts: dict[str, Assign] = {}
    for office in place.offices:
        if office.unit == unit and office.desk not in parts:
            above = _kanwil(office.province, directory) or kanwil
            parts[office.desk] = Assign(unit, office.desk, (above,) if above else ())
    return tuple(parts.values()) or (Assign(unit, kanwil),)


def copies_of(desk: str | None, report: ComplaintReceived, place: Place, directory: UnitDirectory) -> tuple[str, ...]:
    """Who is told when a person has named the desk: the Kanwil above an office, nobody above a Kanwil."""
    if desk is None or desk.startswith("kanwil:"):
        return ()
    named = next((_kanwil(office.province, directory) for office in place.offices if office.desk == desk), None)
    above = named or kanwil_of(report, place, directory)
    return (above,) if above else ()


def kanwil_of(report: ComplaintReceived, place: Place, directory: UnitDirectory) -> str | None:
    """Of the province that the source gave, else of the one that the text speaks of."""
    return _kanwil(report.location.province, directory) or _kanwil(place.province, directory)


def _kanwil(province: str | None, directory: UnitDirectory) -> str | None:
    known = directory.province(province)
    return known.kanwil if known else None
