"""`python -m deploy.postgres.migrate`: bring every service's tables up to date as their owner, before the services start.

A service migrates by itself where its role may. Where it may not, it waits until this has run.
"""

import asyncio
import os
import sys

import asyncpg

from shared.postgres import migrate
from shared.settings import SettingsError, postgres_address

# Which shared tables each service has beside its own.
PLUMBING: dict[str, tuple[str, ...]] = {"intake": ("outbox", "breaker"), "router": ("breaker",), "notifier": ("outbox", "breaker")}


async def migrate_all(dsn: str) -> list[str]:
    """Returns the names applied. Safe to repeat, and to run twice at once."""
    applied = []
    for service, plumbing in PLUMBING.items():
        applied += await migrate(dsn, service, plumbing=plumbing)
    return applied


def main() -> None:
    try:
        dsn = postgres_address(os.environ.get("JALUR_POSTGRES", ""), os.environ)
        applied = asyncio.run(migrate_all(dsn))
    except SettingsError as error:
        sys.exit(f"error: {error}")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.exit(f"error: the database could not be brought up to date: {type(error).__name__}")
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do: the database is up to date")


if __name__ == "__main__":
    main()
