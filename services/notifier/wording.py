"""The words of the timeline: what a fact is called there, and which clocks a change moved. Pure."""

from dataclasses import replace

from services.notifier.facts import Changed, Decided, Disclosed, Expired, Fact, Ordered, Reported, Requested, Said, Unmerged


def words(fact: Fact) -> tuple[str, str | None]:
    """What happened, and by whom. No free text of a reporter's is in it."""
    if isinstance(fact, Reported):
        by = f"source:{fact.source}" if fact.source else None
        if not fact.is_complete:
            return "known from its decision", by
        return "received as history" if fact.is_final else "received", by
    if isinstance(fact, Decided):
        return _decided(fact), fact.decided_by
    if isinstance(fact, Said):
        return _said(fact), fact.by
    if isinstance(fact, Changed):
        what = f"{fact.kind} by source" if fact.joined is None else f"reported again by {fact.joined}"
        return what + (f" (status: {fact.status})" if fact.status else ""), fact.by
    if isinstance(fact, Ordered):
        where = fact.unit or fact.agency or "hold"
        return f"ordered to {where} in place of {', '.join(fact.replaces)}" + (f": {fact.reason}" if fact.reason else ""), fact.by
    if isinstance(fact, Disclosed):
        return f"the unmasked report was shown to {fact.who}" + (f": {fact.purpose}" if fact.purpose else ""), fact.by
    if isinstance(fact, Requested):
        return f"decision {fact.decision} asked for ({fact.cause})", "notifier"
    if isinstance(fact, Expired):
        return f"{fact.code} ran out: {fact.ends}", "notifier"
    assert isinstance(fact, Unmerged)
    return f"no longer merged into {fact.lead}, which ended without an answer", "notifier"


def head(fact: Fact) -> str:
    """What happened, without what somebody wrote of it: for wherever it is told again."""
    if isinstance(fact, Said | Ordered):
        fact = replace(fact, reason=None)
    elif isinstance(fact, Disclosed):
        fact = replace(fact, purpose=None)
    elif isinstance(fact, Changed):
        fact = replace(fact, status=None)
    return words(fact)[0]


def _decided(part: Decided) -> str:
    if part.outcome == "routed":
        return f"assigned to {part.desk or part.unit}"
    if part.outcome == "held":
        return f"held for triage: {part.why}"
    return f"transferred to {part.agency}" + (" (proposed)" if part.outcome == "proposed" else "")


def _said(said: Said) -> str:
    who = said.unit or "admin instansi"
    if said.lead is not None:
        return f"answered by {who} in {said.lead}"
    what = f"{said.status.replace('_', ' ')} by {who}"
    if said.into is not None:
        what += f" into {said.into}"
    if said.suggested_unit is not None:
        what += f", suggests {said.suggested_unit}"
    return what + (f": {said.reason}" if said.reason else "")


def moved_by(facts: list[Fact]) -> str:
    """Why deadlines moved: what became known in this transaction."""
    said = [fact.status for fact in facts if isinstance(fact, Said)]
    if "extended" in said:
        return "the period was extended"
    if {"resumed", "need_info"} & set(said) or any(isinstance(fact, Changed) and fact.kind == "completed" for fact in facts):
        return "the time in which the reporter was asked does not count"
    if any(isinstance(fact, Changed) and fact.class_ is not None for fact in facts):
        return "the source gave it another class"
    if any(isinstance(fact, Decided) for fact in facts):
        return "it was decided anew"
    return head(facts[0]) if facts else "something that counts from earlier became known"
