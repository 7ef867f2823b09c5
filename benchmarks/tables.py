"""Runs named benchmarks on a throw-away installation and prints a table each."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.site import Site, running_site

Row = tuple[str, str, str]
Parts = Mapping[str, Callable[[Site], list[Row]]]


def run(parts: Parts, words: Sequence[str]) -> None:
    """Those named by `words`, or all."""
    wanted = list(words) or list(parts)
    unknown = sorted(set(wanted) - set(parts))
    if unknown:
        raise SystemExit(f"no benchmark {unknown[0]}; there are {', '.join(parts)}")
    console = Console()
    with running_site() as site:
        for name in wanted:
            console.print(table_of(name, parts[name](site)))


def table_of(name: str, rows: Iterable[Row]) -> Table:
    table = Table("what", "measured", "aim", title=name, title_justify="left")
    for row in rows:
        table.add_row(*row)
    return table
