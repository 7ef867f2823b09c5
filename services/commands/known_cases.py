"""A case for a command: its id as typed, found in the notifier's database and brought to life. Changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from services.commands import CommandError
from services.commands.connect import USAGE, Stack, database

if TYPE_CHECKING:
    from services.notifier.calendar import Calendar
    from services.notifier.case import Case
    from services.notifier.case_reading import StoredCase
    from services.notifier.clocks import Clockwork
    from services.notifier.policy import Policies

Read = TypeVar("Read")


def complaint_of(written: str) -> UUID:
    """A complaint's id as an operator types it."""
    try:
        return UUID(written)
    except ValueError:
        raise CommandError(f"{written[:60]!r} is no complaint id, as 8d7c2c3e-6a1e-4a39-9f0a-0c6a3a1f7a11", USAGE) from None


def load_clockwork(policies: Path | None = None, calendar: Path | None = None) -> "Clockwork":
    """The packaged policies and calendar, as the notifier itself has them, or those of files."""
    from services.notifier.clocks import Clockwork
    from shared.units import load_directory

    return Clockwork(_policies(policies), _calendar(calendar), load_directory())


async def find_known(stack: Stack, complaint_id: UUID) -> tuple["StoredCase", "Case", "Clockwork"]:
    """As it is stored, and alive."""
    from services.notifier.case_reading import find_case
    from services.notifier.domain import Setting, revive
    from shared.postgres import read_clock

    clockwork = load_clockwork()
    async with database(stack, "notifier") as connection:
        stored = await find_case(connection, complaint_id)
        if stored is None:
            raise CommandError(f"the notifier has no case of {complaint_id}")
        now = await read_clock(connection)
    try:
        case = stored.read()
    except ValueError as error:
        raise CommandError(f"{complaint_id}: {error}; see `jalur cases verify {complaint_id}`") from None
    revive(case, Setting(clockwork, now))
    return stored, case, clockwork


def printable(text: str | None) -> str:
    """What somebody else wrote must not command the terminal."""
    if text is None:
        return ""
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _policies(file: Path | None) -> "Policies":
    from services.notifier.policy import load_policies, read_policies

    return load_policies() if file is None else _read(file, read_policies)


def _calendar(file: Path | None) -> "Calendar":
    from services.notifier.calendar import load_calendar, read_calendar

    return load_calendar() if file is None else _read(file, read_calendar)


def _read(file: Path, read: Callable[[str], Read]) -> Read:
    """What is wrong with a file, in one line that names it."""
    try:
        return read(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", USAGE) from None
    except ValueError as error:  # of pydantic, of TOML, of the text's encoding
        raise CommandError(f"{file}: {error}", USAGE) from None
