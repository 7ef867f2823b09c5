"""How judgements and measurements are shown to a person."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from services.router.classification import bare_report, classify
from services.router.judgement import Judge
from shared.units import UnitDirectory

if TYPE_CHECKING:
    from services.router.training.evaluation import Evaluation, Figure


def print_explanation(judge: Judge, directory: UnitDirectory, title: str, text: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    judgement = judge.judge(bare_report(title, text))
    found = classify(judge, directory, title, text)
    goes = {"triage": f"a person at the triage desk ({found.held})", "other_agency": f"another agency: {found.agency}"}.get(
        found.unit, found.unit
    )
    console.print(f"goes to     {goes}{f', desk {found.desk}' if found.desk else ''}", markup=False)
    if found.further:
        console.print(f"and to      {', '.join(found.further)}", markup=False)
    console.print(f"confidence  {judgement.confidence:.2f}, of {judgement.threshold:.2f} needed for {judgement.unit}")
    console.print(f"class       {found.class_} ({judgement.class_confidence:.2f})")
    flags = [
        name
        for name, raised in (
            ("oversight", judgement.is_oversight),
            ("perhaps oversight", judgement.oversight_in_doubt),
            ("urgent", found.urgent),
        )
        if raised
    ]
    console.print(f"flags       {', '.join((*flags, *found.special_data)) or 'none'}")
    place = ", ".join(filter(None, (found.regency, found.province)))
    console.print(f"place       {place or 'none named'}{f'; offices {chr(44).join(found.offices)}' if found.offices else ''}", markup=False)
    console.print(f"service     {found.service or 'none'}")
    console.print(f"rules       {judgement.rules_version}")
    reasons = Table("weight", "kind", "because", box=None)
    for reason in judgement.reasons:
        reasons.add_row(f"{reason.weight:.2f}", reason.kind, reason.value)
    console.print(reasons)
    ranking = Table("share", "outcome", box=None)
    for ranked in judgement.ranking:
        ranking.add_row(f"{ranked.score:.4f}", ranked.unit)
    console.print(ranking)


def markdown(evaluation: "Evaluation", written_about: str) -> str:
    """The figures as the model card shows them."""
    lines = [f"Measured on {written_about}.", "", "| figure | value | reports |", "|---|---|---|"]
    lines += [f"| {figure.name} | {shown(figure)} | {figure.of} |" for figure in evaluation.figures]
    lines += ["", "| outcome | reports | recall of the best guess | its precision |", "|---|---|---|---|"]
    lines += [f"| {unit} | {count} | {recall:.2f} | {precision:.2f} |" for unit, count, recall, precision in evaluation.by_unit]
    return "\n".join(lines) + "\n"


def shown(figure: "Figure") -> str:
    return f"{figure.value:.3f}"


def write_report(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
