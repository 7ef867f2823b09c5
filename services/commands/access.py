"""`jalur access`: users and rights on Kafka and in the database, shown against what they must be, and put right."""

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from services.commands import FAILED, NOT_READY, CommandError, DataDir
from services.commands.connect import USAGE, Stack, database, find_stack, run

if TYPE_CHECKING:
    from services.commands import access_bus, access_database

app = typer.Typer(
    help="Who may do what on Kafka and in the database: show the difference, apply it, change a password.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Only = Annotated[Literal["bus", "database"] | None, typer.Option("--only", help="One of the two: bus or database.")]
Secrets = Annotated[
    Path | None,
    typer.Option("--secrets", help="Where each new password is written, a file for each user that only you can read.", file_okay=False),
]


@dataclass(frozen=True)
class Found:
    """None where it was not asked for."""

    bus: "access_bus.Difference | None" = None
    data: "access_database.Difference | None" = None

    @property
    def is_none(self) -> bool:
        return (self.bus is None or self.bus.is_none) and (self.data is None or self.data.is_none)

    def as_json(self) -> dict[str, Any]:
        return {name: asdict(part) for name, part in (("bus", self.bus), ("database", self.data)) if part is not None}

    def lines(self) -> list[str]:
        from services.commands import access_bus, access_database

        found = [] if self.bus is None else access_bus.lines_of(self.bus)
        return found + ([] if self.data is None else access_database.lines_of(self.data))

    def told(self) -> list[str]:
        """What applying does not change."""
        faults = [f"! {fault}" for fault in self.data.faults] if self.data else []
        others = [*(self.bus.others if self.bus else ()), *(self.data.others if self.data else ())]
        return faults + [f"? {other} (not ours: left as it is)" for other in others]


@app.command()
def show(only: Only = None, as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """What is missing (+), too much (-), wrong with a role (!), and what others have on what is ours (?). Changes nothing.

    Exit codes: 0 as it must be, 1 failed, 3 it differs, also where Kafka lets everybody (User:*) do something with what is ours.
    """
    _show(find(find_stack(data_dir, os.environ), only), as_json)


@app.command()
def apply(
    yes: Annotated[bool, typer.Option("--yes", help="Change it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be changed.")] = False,
    secrets_in: Secrets = None,
    only: Only = None,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Give what is missing and take what is too much: a user for each unit and service on Kafka, rules for their topics and groups, and
    the rights of the services' roles in the database. Passwords of users that are there stay. Safe to repeat.

    Exit codes: 0 as it must be, 1 failed or a role must be mended by a superuser, 2 wrong usage, 3 it differs (--dry-run).
    """
    if yes == dry_run:
        raise CommandError("say either --dry-run or --yes", USAGE)
    stack = find_stack(data_dir, os.environ)
    found = find(stack, only)
    if dry_run:
        _show(found, as_json)
        return
    shown = carry_out(stack, found, secrets_in, may_show=as_json)
    if as_json:
        typer.echo(json.dumps({**found.as_json(), "passwords": shown}))
    else:
        for line in (*found.lines(), *found.told()):
            typer.echo(line)
        if found.bus and found.bus.missing_users and secrets_in is not None:
            typer.echo(f"passwords are in {secrets_in}: hand each to its unit, then remove the file")
        if found.is_none:
            typer.echo("nothing to do: all rights are as they must be")
    if found.data is not None and found.data.faults:
        raise CommandError(f"of the database's roles {len(found.data.faults)} faults are left, which only its superuser can mend", FAILED)


@app.command()
def rotate(
    user: Annotated[str, typer.Argument(help="As Kafka knows it: unit-imigrasi, triage, router.")],
    secrets_in: Secrets = None,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Give a user of Kafka a new password. From then on the old one opens no connection; those that are open stay.

    Exit codes: 0 changed, 1 no such user, or failed, 2 wrong usage.
    """
    from services.commands.access_bus import Bus
    from shared.access import users
    from shared.topics import Topics

    settings = find_stack(data_dir, os.environ).settings()
    known = users(Topics(settings.namespace))
    if user not in known:
        raise CommandError(f"no user {user!r} of ours; there are {', '.join(known)}", USAGE)
    bus = Bus(settings)
    if not bus.has_user(user):
        raise CommandError(f"Kafka does not know {user} yet: jalur access apply", FAILED)
    word = new_password()
    if secrets_in is None and not as_json:
        raise CommandError("say where the password is to be written: --secrets DIR (or --json, which shows it)", USAGE)
    # The new one is safe on disk before Kafka asks for it; until then the old file stands.
    part = _write(secrets_in, f"{user}.new", word) if secrets_in is not None else None
    bus.set_passwords({user: word})
    if part is not None:
        part.replace(part.with_name(user))
    if as_json:
        typer.echo(json.dumps({"user": user, **({} if secrets_in else {"password": word})}))
    else:
        typer.echo(f"{user} has a new password, in {secrets_in}")


def carry_out(stack: Stack, found: Found, secrets_in: Path | None, *, may_show: bool = False) -> dict[str, str]:
    """Returns the passwords that were written nowhere, by user; without `secrets_in` and `may_show` new users are refused."""
    from services.commands import access_bus, access_database

    shown: dict[str, str] = {}
    if found.bus is not None and not found.bus.is_applied:
        if found.bus.missing_users and secrets_in is None and not may_show:
            raise CommandError(
                f"{len(found.bus.missing_users)} users are missing: say where their passwords are to be written: --secrets DIR"
            )
        words = passwords_for(found.bus.missing_users, secrets_in)
        access_bus.Bus(stack.settings()).apply(found.bus, words)
        shown = {} if secrets_in is not None else words
    if found.data is not None and not found.data.is_none:
        run(access_database.apply_rights(stack.dsn()))
        left = find(stack, "database").data
        assert left is not None
        if left.missing or left.surplus:
            raise CommandError("the database took the changes but not all hold; is JALUR_POSTGRES the tables' owner?", FAILED)
    return shown


def passwords_for(users: Iterable[str], folder: Path | None) -> dict[str, str]:
    """A password each. One that was written by an apply that was cut off is used, so that no file ever lies."""
    found = {}
    for user in users:
        file = folder / user if folder is not None else None
        if file is not None and file.exists():
            if not (word := file.read_text(encoding="utf-8")):
                raise CommandError(f"{file} is empty: put the password of {user} there, or remove it")
            found[user] = word
        else:
            found[user] = new_password()
            if folder is not None:
                _write(folder, user, found[user])
    return found


def new_password() -> str:
    return secrets.token_urlsafe(32)


def find(stack: Stack, only: str | None) -> Found:
    from services.commands import access_bus, access_database

    async def of_database() -> access_database.Difference:
        async with database(stack) as connection:
            return await access_database.find_difference(connection)

    bus = access_bus.Bus(stack.settings()).find_difference() if only != "database" else None
    return Found(bus, run(of_database()) if only != "bus" else None)


def _show(found: Found, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        for line in (*found.lines(), *found.told()):
            typer.echo(line)
        if found.is_none:
            typer.echo("all rights are as they must be")
    if not found.is_none:
        raise typer.Exit(NOT_READY)


def _write(folder: Path, name: str, word: str) -> Path:
    """Without a line break, which a reader would take for part of the password. Whole or not at all, and on disk when this returns."""
    file, part = folder / name, folder / f"{name}.part"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(word)
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error.strerror}") from None
    return file
