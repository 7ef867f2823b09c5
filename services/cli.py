"""`jalur`: puts the sub-commands together, and turns errors into one line and an exit code."""

import sys

import typer

from services.commands import (
    FAILED,
    access,
    backup,
    cases,
    classify,
    clock,
    dead,
    demo,
    desks,
    erase,
    intake,
    keys,
    migrate,
    recover,
    report,
    restore,
    resume,
    retention,
    router,
    router_log,
    simulate,
    stack,
    tail,
    top,
    topics,
)
from shared.errors import JalurError

app = typer.Typer(
    name="jalur",
    help="Carries a citizen's report to the unit that must answer it.\n\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not ready, 4 part of the input was refused, 130 interrupted by Ctrl-C.",
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(stack.app)
app.add_typer(demo.app)
app.add_typer(intake.app)
app.add_typer(topics.app, name="topics")
app.add_typer(migrate.app)
app.add_typer(access.app, name="access")
app.add_typer(keys.app, name="keys")
app.add_typer(tail.app)
app.add_typer(top.app)
app.add_typer(dead.app, name="dead")
app.add_typer(resume.app)
app.add_typer(classify.app)
app.add_typer(clock.app, name="clock")
app.add_typer(cases.app, name="cases")
app.add_typer(desks.app, name="desks")
app.add_typer(erase.app, name="erase")
app.add_typer(retention.app, name="retention")
app.add_typer(simulate.app)
app.add_typer(report.app)
app.add_typer(backup.app)
app.add_typer(restore.app)
app.add_typer(recover.app)
router.app.add_typer(router_log.app)
app.add_typer(router.app, name="router")


def main() -> None:
    try:
        code = app(args=sys.argv[1:] or ["--help"], prog_name="jalur", standalone_mode=False)
    except (typer.TyperException, JalurError) as error:
        print(f"error: {' '.join(str(error).removeprefix('Value error, ').split())}", file=sys.stderr)  # noqa: T201  the one line
        sys.exit(getattr(error, "exit_code", FAILED))
    except typer.Abort:
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
