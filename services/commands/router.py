"""`jalur router`: the rule set and the model: train, calibrate, measure, explain. Nothing here changes what the running router does."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import FAILED, CommandError

if TYPE_CHECKING:
    from services.router.judgement import Judge
    from shared.units import UnitDirectory

app = typer.Typer(help="The router's rules and model: explain, measure, train, compare, activate.", no_args_is_help=True)
Rules = Annotated[Path | None, typer.Option("--rules", help="A folder with a rule set instead of the one that comes with Jalur.")]
Corpus = Annotated[Path | None, typer.Option("--corpus", help="A folder of .jsonl files instead of the corpus that comes with Jalur.")]


def load(folder: Path | None) -> "tuple[Judge, UnitDirectory]":
    judge, directory, _ = load_files(folder)
    return judge, directory


def load_files(folder: Path | None) -> "tuple[Judge, UnitDirectory, dict[str, bytes]]":
    """The judge, and the very files that it was read from."""
    from services.router.rule_sets import read_candidate, read_set
    from services.router.rules import PACKAGED, RuleError
    from shared.units import load_directory

    directory = load_directory()
    try:
        files = read_candidate(folder or PACKAGED)
        return read_set(files, directory), directory, files
    except RuleError as error:
        told = "".join(sign if sign.isprintable() else "\ufffd" for sign in str(error))  # it may quote the files, which anybody wrote
        raise CommandError(f"the rule set in {folder or 'the package'} is refused: {told}", FAILED) from None


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="The report's text; - reads it from stdin.")],
    title: Annotated[str, typer.Option(help="The report's title.")] = "",
    rules: Rules = None,
) -> None:
    """Show how a report is judged, and why: the whole ranking, the flags, the place, and what spoke for each.

    Exit codes: 0 shown, 1 failed.
    """
    import sys

    from services.commands.router_report import print_explanation

    judge, directory = load(rules)
    print_explanation(judge, directory, title, sys.stdin.read() if text == "-" else text)


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", help="The folder that the rule set is written to; made if it is not there.")],
    corpus: Corpus = None,
    rules: Rules = None,
) -> None:
    """Train the model on the corpus (but for the writers kept for measuring) and write a whole rule set, calibrated, to OUT.

    The terms come from --rules. The running router does not change: compare with `jalur router diff`, then `jalur router activate`.

    Exit codes: 0 written, 1 failed.
    """
    _training().train(out, corpus, rules)


@app.command()
def calibrate(
    rules: Annotated[Path, typer.Option("--rules", help="The folder whose thresholds.toml is written anew.")],
    corpus: Corpus = None,
    wrong_route: Annotated[float, typer.Option(help="What a wrong route costs, in looks of a clerk.", min=1.1)] = 6.0,
    wrong_transfer: Annotated[float, typer.Option(help="What a wrong transfer to another agency costs.", min=1.1)] = 100.0,
    withheld_look: Annotated[float, typer.Option(help="What a look costs at a report whose text is withheld.", min=0.1)] = 3.0,
    missed_oversight: Annotated[float, typer.Option(help="What a missed accusation costs.", min=1.1)] = 20.0,
    report: Annotated[Path | None, typer.Option(help="A folder for the report: figures and the reliability curve as a picture.")] = None,
) -> None:
    """Compute confidence and thresholds from what mistakes cost, out of fold: no report is judged by a model that knows its writer.

    Exit codes: 0 written, 1 failed.
    """
    from services.router.thresholds import Costs

    costs = Costs(wrong_route=wrong_route, wrong_transfer=wrong_transfer, withheld_look=withheld_look, missed_oversight=missed_oversight)
    _training().calibrate(rules, corpus, costs, report)


@app.command()
def evaluate(
    corpus: Corpus = None,
    rules: Rules = None,
    everything: Annotated[bool, typer.Option("--all", help="Measure on all of --corpus, not only on the writers kept for it.")] = False,
    report: Annotated[Path | None, typer.Option(help="A folder for the report: figures, confusion matrix, reliability curve.")] = None,
    mistakes: Annotated[bool, typer.Option(help="Print each report that was decided wrongly.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Measure the judge on the corpus's test writers, of whom it has learned nothing.

    Exit codes: 0 measured, 1 failed.
    """
    _training().evaluate(corpus, rules, everything, report, mistakes, as_json)


def _training() -> ModuleType:
    try:
        from services.commands import router_training
    except ImportError as error:
        raise CommandError(f"training and measuring need {error.name}: run `make setup`, which installs it", FAILED) from None
    return router_training
