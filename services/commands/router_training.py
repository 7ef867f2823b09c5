"""What `jalur router train`, `calibrate` and `evaluate` do; imported only by them, because it needs scikit-learn and matplotlib."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from services.commands import FAILED, CommandError
from services.commands.router import load
from services.commands.router_report import markdown, shown, write_report
from services.router.classification import Classified, classify
from services.router.evidence import Evidence, Observer
from services.router.model import FILE as MODEL
from services.router.rules import FILES as TERMS
from services.router.rules import PACKAGED, RuleError, read_rules
from services.router.thresholds import FILE as THRESHOLDS
from services.router.thresholds import Costs, Thresholds
from services.router.training import calibration
from services.router.training.corpus import FOLDER, TEST_WRITERS, Corpus, CorpusError, Row, read_corpus
from services.router.training.evaluation import OUTCOMES
from services.router.training.evaluation import evaluate as measure
from services.router.training.fit import fit
from services.router.training.pictures import draw_confusion, draw_reliability
from shared.units import load_directory


def train(out: Path, corpus: Path | None, rules: Path | None) -> None:
    learned, _ = _corpus(corpus).split()
    source = rules or PACKAGED
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in TERMS:
            if out.resolve() != source.resolve():
                shutil.copyfile(source / name, out / name)
    except OSError as error:
        raise CommandError(f"{error.filename2 or error.filename}: {error.strerror}", FAILED) from None
    observer, observed = _observed(out, learned.rows)
    typer.echo(
        f"{len(learned.rows)} reports of {len(learned.writers)} writers; the thresholds come from models that have not seen the writer"
    )
    _write_thresholds(out, learned, observer, observed, calibration.COSTS, None)
    model = fit(learned.rows, observed, observer.cue_names)
    (out / MODEL).write_bytes(model.to_bytes())
    judge, _ = load(out)
    typer.echo(f"wrote {out / MODEL} ({(out / MODEL).stat().st_size / 1e6:.1f} MB) and {out / THRESHOLDS}: version {judge.version}")


def calibrate(rules: Path, corpus: Path | None, costs: Costs, report: Path | None) -> None:
    learned, _ = _corpus(corpus).split()
    observer, observed = _observed(rules, learned.rows)
    found = _write_thresholds(rules, learned, observer, observed, costs, report)
    typer.echo(calibration.to_toml(found).rstrip())


def evaluate(corpus: Path | None, rules: Path | None, everything: bool, report: Path | None, mistakes: bool, as_json: bool) -> None:
    judge, directory = load(rules)
    whole = _corpus(corpus)
    rows = whole.rows if everything else whole.split()[1].rows
    if not rows:
        raise CommandError(f"no report of the writers kept for measuring ({', '.join(TEST_WRITERS)}): use --all", FAILED)
    found = [classify(judge, directory, row.title, row.text) for row in track(rows, "judging", disable=as_json, transient=True)]
    evaluation = measure(rows, found, judge.rules.agencies, directory)
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps({"version": judge.version, "figures": [asdict(figure) for figure in evaluation.figures]}))
    else:
        table = Table("figure", "value", "reports", box=None)
        for figure in evaluation.figures:
            table.add_row(figure.name, shown(figure), str(figure.of))
        console.print(table)
    if mistakes:
        for row, each in evaluation.wrong:
            console.print(f"{row.id}  {row.unit} → {each.unit} ({each.confidence:.2f})  {row.title} | {row.text[:200]}", markup=False)
    if report:
        writers = f"{len(rows)} reports of {len({row.writer for row in rows})} writers, rule set {judge.version}"
        error = draw_reliability([each.confidence for each in found], _right(rows, found), report / "reliability.png")
        draw_confusion(evaluation.confusion, OUTCOMES, report / "confusion.png")
        write_report(report, "evaluation.md", markdown(evaluation, writers) + f"\nExpected calibration error: {error:.3f}.\n")
        console.print(f"wrote {report}/evaluation.md, confusion.png, reliability.png")


def _right(rows: tuple[Row, ...], found: list[Classified]) -> list[bool]:
    return [row.unit == each.top for row, each in zip(rows, found, strict=True)]


def _write_thresholds(
    folder: Path, learned: Corpus, observer: Observer, observed: list[Evidence], costs: Costs, report: Path | None
) -> Thresholds:
    rows, measured = calibration.unseen(learned.rows, calibration.out_of_fold(learned.rows, observed, observer.cue_names))
    found = calibration.calibrate(rows, measured, costs)
    (folder / THRESHOLDS).write_text(calibration.to_toml(found), encoding="utf-8")
    if report:
        guesses = calibration.best_guesses(rows, measured, found.temperature)
        error = draw_reliability(guesses.confidence, guesses.right, report / "calibration.png")
        write_report(report, "calibration.md", calibration.report(rows, measured, found, error))
    return found


def _observed(folder: Path, rows: tuple[Row, ...]) -> tuple[Observer, list[Evidence]]:
    try:
        observer = Observer(read_rules({name: (folder / name).read_bytes() for name in TERMS}), load_directory())
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", FAILED) from None
    except RuleError as error:
        raise CommandError(f"the rule set in {folder} is refused: {error}", FAILED) from None
    return observer, [observer.observe(row.title, row.text) for row in track(rows, "reading", transient=True)]


def _corpus(folder: Path | None) -> Corpus:
    try:
        return read_corpus(folder or FOLDER)
    except CorpusError as error:
        raise CommandError(str(error), FAILED) from None
