"""The change feed: every case whose status changed, at its newest, for whoever may see it. Changes nothing."""

from typing import Any

from pydantic_core import from_json

from services.intake import listing_store
from services.intake.listing import views_of
from services.intake.questions import FeedQuestion, write_change
from services.intake.readers import own_reader
from services.intake.speakers import Speaker
from services.intake.views import is_shown_to
from shared.postgres import Pool, transaction
from shared.problems import Problem


async def list_changes(pool: Pool, question: FeedQuestion, speaker: Speaker) -> dict[str, Any]:
    """`items` in the order in which they changed, and in `next` what to ask for after, also where nothing changed."""
    source = speaker.subject if speaker.role == "source" else None
    async with transaction(pool) as connection:
        await listing_store.begin_reading(connection)
        ends = await listing_store.find_ends(connection)
        if question.after > ends.given:
            raise _ahead()
        rows = await listing_store.find_changes(connection, own_reader(speaker), source, question.after, question.limit)
        shown = [row for row in rows if speaker.role not in ("unit", "desk") or is_shown_to(speaker, from_json(row["status"]))]
        views = await views_of(connection, shown, speaker)
    read_up_to = [question.after, *(row["change"] for row in rows)]
    if len(rows) < question.limit:
        # Nothing of this reader's is left below what was visible before, so the next question need not look there again.
        read_up_to.append(ends.visible)
    return {"items": [_item(row, view, source) for row, view in zip(shown, views, strict=True)], "next": write_change(max(read_up_to))}


def _item(row: dict[str, Any], view: dict[str, Any], source: str | None) -> dict[str, Any]:
    # A source that reported the same matter by another door knows it by its own reference, not by the first one's.
    own = {} if source is None else {"source": source, "source_ref": row["own_ref"]}
    told = {"cursor": write_change(row["change"]), "complaint_id": row["id"], "sequence": row["sequence"], "changed_at": row["changed_at"]}
    return view | own | told


def _ahead() -> Problem:
    detail = "lies ahead of all that changed here: the database was restored as it was earlier; leave it out to read everything again"
    return Problem(410, "cursor-ahead", "The cursor is no longer valid", detail, field="after")
