"""A case through all three services and every door: given back, ordered elsewhere, asked about, answered, replied to, closed by silence."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from shared.events import FollowUp
from tests.bus import follow_ups
from tests.world import World, payload, report, until

Look = Callable[[], Awaitable[dict[str, Any]]]


class _Doors:
    """One client for each speaker, and what they see of one complaint."""

    def __init__(self, clients: dict[str, httpx.AsyncClient]) -> None:
        self.clients = clients
        self.complaint_id = ""

    async def say(self, role: str, what: str, **body: Any) -> dict[str, Any]:
        async def accepted() -> dict[str, Any]:
            response = await self.clients[role].post(f"/v1/complaints/{self.complaint_id}/{what}", json=body)
            # A unit that was just given a part is not known at the door before the status is read: until then it sees nothing.
            assert response.status_code in (202, 404), response.text
            return dict(response.json()) if response.status_code == 202 else {}

        return await until(f"{role} says {what}", accepted)

    async def update(self, role: str, status: str, **more: Any) -> dict[str, Any]:
        return await self.say(role, "updates", update_id=str(uuid4()), status=status, **more)

    async def seen(self, role: str = "triage") -> dict[str, Any]:
        return dict((await self.clients[role].get(f"/v1/complaints/{self.complaint_id}")).json())

    async def until_state(self, state: str, unit: str | None = None) -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            case: dict[str, Any] = await self.seen()
            has = unit is None or unit in [item["unit"] for item in case["assignments"] if item["state"] not in ("returned", "replaced")]
            return case if case["state"] == state and has else {}

        return await until(f"the case is {state} {unit or ''}", look)


def last_of(case: dict[str, Any], code: str) -> dict[str, Any]:
    return dict([clock for clock in case["clocks"] if clock["code"] == code][-1])


async def told(world: World, who: str, kind: str, count: int = 1) -> list[FollowUp]:
    async def look() -> list[FollowUp]:
        found = [item for item in await follow_ups(world, who) if item.kind == kind]
        return found if len(found) >= count else []

    return await until(f"{who} is told {kind}", look)


async def test_a_case_goes_through_every_door_and_is_closed_by_silence(world: World) -> None:
    intake = await world.start("intake")
    await world.start("router")
    await world.start("notifier")
    roles = ("source:halo_kumham", "unit:imigrasi", "unit:ahu", "triage", "admin")
    clients = {role: await world.entered(world.client(intake, role)) for role in roles}
    doors = _Doors(clients)

    async def accepted() -> str:
        response = await clients["source:halo_kumham"].post("/v1/complaints", json=report(source_ref="HK-1", reporter={"name": "Pelapor"}))
        return str(response.json()["id"]) if response.status_code == 202 else ""

    doors.complaint_id = await until("intake accepts", accepted)
    await doors.until_state("assigned", "imigrasi")

    # Given back: the router is asked again, and a clerk orders it elsewhere.
    await doors.update("unit:imigrasi", "returned", reason="bukan wewenang, NIK 5371014107900001", suggested_unit="ahu")
    (request,) = await world.until_records(1, world.topics.reroutes)
    asked = payload(request)
    assert (asked["decision"], asked["cause"], asked["refused_units"], asked["transfers"]) == (1, "returned", ["imigrasi"], 1)
    assert b"5371014107900001" not in (request.value or b"")

    async def decided_again() -> dict[str, Any]:
        case = await doors.seen()
        return case if [entry["what"] for entry in case["timeline"] if entry["what"].startswith(("held", "assigned"))][1:] else {}

    case = await until("the second decision is read", decided_again)
    part = next((item["part"] for item in case["assignments"] if item["state"] == "assigned"), None)
    replaces = [part] if part else case.get("waiting_parts") or ["1/0"]
    order = {"replaces": replaces, "order": {"unit": "ahu"}, "reason": "Legalisasi"}
    await doors.say("triage", "decisions", decision_id="first", **order)
    await doors.say("triage", "decisions", decision_id="second", **order)
    await doors.until_state("assigned", "ahu")
    await world.advance(timedelta(minutes=61))
    (refused,) = await told(world, "triage", "update_refused")
    assert refused.why == f"order second: another order for part {replaces[0]} is being carried out"

    # Asked about, answered with a draft that is approved.
    await doors.update("unit:ahu", "accepted")
    await doors.until_state("accepted")
    await doors.update("admin", "verified")
    await doors.update("unit:ahu", "need_info", note="Mohon nomor permohonan.")
    await doors.until_state("paused")
    paused = last_of(await doors.seen(), "LAPOR_TINDAK_LANJUT")
    assert paused["state"] == "paused"
    await world.advance(timedelta(days=7))
    await doors.say("source:halo_kumham", "changes", change_id="c1", kind="completed", text="Nomor 17.")
    case = await doors.until_state("accepted")
    assert last_of(case, "LAPOR_TINDAK_LANJUT")["due_at"] > paused["due_at"], "the days in which the reporter was asked do not count"
    assert all(item.why is not None for item in await told(world, "ahu", "deadline_changed"))
    answer = {"text": "Sudah selesai.", "attachments": [], "is_final": True, "drafted_by": "Petugas"}
    await doors.update("unit:ahu", "answered", answer=answer)
    assert (await doors.seen())["state"] == "accepted", "a draft answers nothing"
    await doors.update("unit:ahu", "answered", answer=answer | {"approved_by": "Pejabat penghubung"})
    await doors.until_state("answered")
    shown = (await doors.seen("source:halo_kumham"))["answers"]
    assert [item["text"] for item in shown] == ["Sudah selesai."]
    assert "Petugas" not in str(shown)

    # The reporter replies in time: a new five days; then silence closes it.
    await doors.say("source:halo_kumham", "changes", change_id="c2", kind="replied", text="Belum.")
    case = await doors.until_state("accepted")
    assert last_of(case, "LAPOR_TINDAK_LANJUT")["occurrence"] == 2
    await told(world, "ahu", "reopened")
    await doors.update("unit:ahu", "answered", answer=answer | {"text": "Sudah diperbaiki.", "approved_by": "Pejabat penghubung"})
    await doors.until_state("answered")
    await world.advance(timedelta(days=30))
    await doors.until_state("closed")
    (closed,) = await told(world, "ahu", "closed")
    assert closed.assignment_id is not None
    assert not [item for item in await follow_ups(world, "ahu") if item.kind == "overdue"], "whoever kept the deadlines hears of none"

    changes = (await clients["source:halo_kumham"].get("/v1/changes")).json()
    assert [(item["complaint_id"], item["state"]) for item in changes["items"]] == [(doors.complaint_id, "closed")]
    assert UUID(doors.complaint_id)
