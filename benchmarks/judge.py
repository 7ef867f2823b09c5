"""How fast the router judges on one core, and what it holds in memory: `python -m benchmarks.judge`. Needs no stack.

The reports are those of the corpus with 35 to 45 words, each seen once before, as words in real traffic mostly were.
"""

import gc
import resource
import time

from rich.console import Console
from rich.table import Table

from services.router.classification import bare_report
from services.router.ruleset import FILES, load_judge, read_folder
from services.router.training.corpus import read_corpus
from shared.units import load_directory

_ROUNDS = 5


def main() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    judge = load_judge(load_directory())
    loading = time.perf_counter() - begun
    rows = [row for row in read_corpus().rows if 35 <= len(f"{row.title} {row.text}".split()) <= 45]
    reports = [bare_report(row.title, row.text) for row in rows]
    gc.collect()
    gc.freeze()
    rounds: list[float] = []
    each: list[float] = []
    for _ in range(_ROUNDS + 1):
        each = []
        for report in reports:
            start = time.perf_counter()
            judge.judge(report)
            each.append(time.perf_counter() - start)
        rounds.append(sum(each))
    rates = sorted(len(reports) / seconds for seconds in rounds[1:])
    each.sort()
    stage = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for report in reports:
            judge.model.score(judge.observer.observe(report.title, report.text))
        stage.append(time.perf_counter() - start)
    first = sorted(len(reports) / seconds for seconds in stage)
    size = sum(map(len, read_folder().values()))
    table = Table("what", "measured", "aim", box=None)
    table.add_row(
        "first stage (words, terms, model), median of 5", f"{first[2]:,.0f}/s ({first[0]:,.0f} to {first[-1]:,.0f})", ">= 2,000/s"
    )
    table.add_row("whole judgements, with place and reasons", f"{rates[2]:,.0f}/s ({rates[0]:,.0f} to {rates[-1]:,.0f})", "")
    table.add_row("the same, words never seen before", f"{len(reports) / rounds[0]:,.0f}/s", "")
    table.add_row("one report", f"p50 {each[len(each) // 2] * 1e3:.2f} ms, p99 {each[int(len(each) * 0.99)] * 1e3:.2f} ms", "")
    table.add_row(f"rule set: {len(FILES)} files", f"{size / 1e6:.1f} MB, read in {loading:.2f} s", "< 60 MB")
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table.add_row("resident, with the corpus", f"{resident:.0f} MiB, {before / 1024:.0f} before", "< 300 MiB")
    Console(highlight=False, soft_wrap=True).print(f"{len(reports)} reports of 35 to 45 words")
    Console(highlight=False, soft_wrap=True).print(table)


if __name__ == "__main__":
    main()
