"""What other rules would have done: the decision log judged again, and who would move where. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import ValidationError

from services.router.decision import Decision, destination
from services.router.domain import decide
from services.router.judgement import Judge
from services.router.publication import LoggedDecision
from services.router.routes import Practice
from shared.events import ComplaintReceived
from shared.settings import MinistrySlug
from shared.units import UnitDirectory

# More than this share of the log moving is a change that a person must confirm.
MOST_MOVED = 0.05


@dataclass(frozen=True, slots=True)
class Move:
    complaint_id: UUID
    before: str
    after: str
    confidence: float


@dataclass(slots=True)
class Comparison:
    """`judged` counts the router's own decisions in the log; those by a person or a source are none of a rule's."""

    candidate: str
    judged: int = 0
    moves: list[Move] = field(default_factory=list)

    @property
    def share(self) -> float:
        return len(self.moves) / self.judged if self.judged else 0.0

    @property
    def is_large(self) -> bool:
        return self.share > MOST_MOVED

    def counts(self) -> list[tuple[tuple[str, str], int]]:
        """(before, after) and how many, most first."""
        return Counter((move.before, move.after) for move in self.moves).most_common()


def compare(rows: Iterable[LoggedDecision], judge: Judge, directory: UnitDirectory, ministry: MinistrySlug = "kemenkumham") -> Comparison:
    """Leading destinations of first decisions, as the log has them and as `judge` would say now."""
    found = Comparison(judge.version)
    practice = Practice(ministry, judge.thresholds.of, judge.notice)
    for row in rows:
        taken = Decision.from_json(row.taken)
        if row.decision or taken.decided_by != "router" or not taken.parts:
            continue
        try:
            report = ComplaintReceived.model_validate_json(row.report)
        except ValidationError:  # it could not be read then, either
            continue
        decision = decide(report, judge.judge(report), directory, practice)
        found.judged += 1
        before, after = destination(taken.parts[0]), destination(decision.parts[0])
        if before != after:
            found.moves.append(Move(row.complaint_id, before, after, decision.confidence))
    return found
