"""One report all the way: HTTP, outbox, router, notifier, read model; and its deadline, on real Kafka and PostgreSQL."""

from datetime import timedelta
from typing import Any

from tests.world import World, payload, report, until


async def test_a_report_reaches_its_unit_and_gets_its_first_deadline(world: World) -> None:
    intake = await world.start("intake")
    await world.start("router")
    await world.start("notifier")
    async with world.client(intake) as client:

        async def accepted() -> dict[str, str]:
            response = await client.post("/v1/complaints", json=report(source_ref="5049672"))
            assert response.status_code in (202, 503), response.text
            return response.json() if response.status_code == 202 else {}

        answer = await until("intake accepts", accepted)
        (routed,) = await world.until_records(1, world.topics.routed("imigrasi"))
        assert payload(routed)["complaint_id"] == answer["id"]

        async def assigned() -> dict[str, Any]:
            case: dict[str, Any] = (await client.get(f"/v1/complaints/{answer['id']}")).json()
            return case if case["state"] == "assigned" else {}

        case = await until("the case is assigned", assigned)
        running = {item["code"] for item in case["clocks"] if item["state"] == "running"}
        assert {"LAPOR_VERIFIKASI", "LAPOR_TINDAK_LANJUT", "TERIMA_PENUGASAN", "UU25_TANGGAPAN"} <= running
        await world.advance(timedelta(days=30))

        async def first_follow_up() -> list[str]:
            told = [payload(item) for item in await world.records(world.topics.follow_ups("imigrasi"))]
            kinds = [item["kind"] for item in told if item["code"] == "LAPOR_TINDAK_LANJUT"]
            return kinds if len(kinds) >= 5 else []

        assert await until("every level", first_follow_up) == ["reminder", "due", "overdue", "escalated", "escalated"]
