"""What the demo sees and does: asks intake, reads topics, speaks as a unit, moves the clock. Waits for facts, never for time to pass."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

from services.commands import CommandError
from services.commands.connect import Stack, database

if TYPE_CHECKING:
    import httpx
    from aiokafka import AIOKafkaConsumer

    from shared.postgres import Connection
    from shared.settings import Settings

PATIENCE_SECONDS = 30.0
Found = TypeVar("Found")


@dataclass(frozen=True)
class Arrival:
    """A record as the demo's consumer read it. `what` and `who` are its topic: `complaints.routed`, `imigrasi`."""

    what: str
    who: str
    event_id: str
    payload: dict[str, Any]
    raw: bytes
    at: float

    @property
    def complaint_id(self) -> str:
        return str(self.payload.get("complaint_id"))


def check(holds: bool, what: str) -> None:
    if not holds:
        raise CommandError(f"this should hold: {what}")


class Scene:
    def __init__(self, stack: Stack, settings: "Settings", client: "httpx.AsyncClient", connection: "Connection") -> None:
        self.stack = stack
        self.arrivals: list[Arrival] = []
        self._settings = settings
        self._client = client
        self._db = connection
        self._came = asyncio.Event()

    async def make_key(self, role: str) -> str:
        from services.intake.keys import add_key
        from services.intake.speakers import parse_role

        return await add_key(self._db, parse_role(role))

    async def submit(self, body: dict[str, Any], key: str, idempotency_key: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": idempotency_key}
        response = await self._client.post("/v1/complaints", json=body, headers=headers)
        if response.status_code != 202:
            raise CommandError(f"intake answered {response.status_code} to a report: {response.text[:200]}")
        answer: dict[str, Any] = response.json()
        return answer

    async def case(self, complaint_id: str, key: str) -> dict[str, Any]:
        response = await self._client.get(f"/v1/complaints/{complaint_id}", headers={"Authorization": f"Bearer {key}"})
        if response.status_code != 200:
            raise CommandError(f"intake answered {response.status_code} to a question about {complaint_id}")
        case: dict[str, Any] = response.json()
        return case

    async def until_case(self, what: str, complaint_id: str, key: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            case = await self.case(complaint_id, key)
            return case if is_so(case) else None

        return await self.until(what, look)

    async def until(self, what: str, look: Callable[[], Awaitable[Found | None]]) -> Found:
        """Ask until the answer is truthy; what was waited for is said where it never comes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := await look()):
            if time.monotonic() > deadline:
                raise CommandError(f"waited {PATIENCE_SECONDS:.0f} s in vain for this: {what}")
            await asyncio.sleep(0.05)
        return found

    async def arrival(self, expected: str, matches: Callable[[Arrival], bool]) -> Arrival:
        """The first record that matches, read already or yet to come."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    self._came.clear()
                    found = next(filter(matches, self.arrivals), None)
                    if found is not None:
                        return found
                    await self._came.wait()
        except TimeoutError:
            raise CommandError(f"waited {PATIENCE_SECONDS:.0f} s in vain for this: {expected}") from None

    async def update(self, unit: str, complaint_id: str, assignment_id: str, status: str, **more: Any) -> None:
        """What a unit itself writes to its topic, as any Kafka client would."""
        from aiokafka import AIOKafkaProducer

        from shared.publisher import connection_options
        from shared.topics import Topics

        value = {"update_id": str(uuid4()), "complaint_id": complaint_id, "assignment_id": assignment_id, "unit": unit, "status": status}
        producer = AIOKafkaProducer(**connection_options(self._settings), client_id=f"demo-{unit}", acks="all")
        await producer.start()
        try:
            topic = Topics(self._settings.namespace).updates(unit)
            await producer.send_and_wait(topic, json.dumps(value | more).encode(), key=UUID(complaint_id).bytes)
        finally:
            await producer.stop()

    async def next_deadline(self, assignment_id: str, code: str) -> datetime:
        """When the next level of an assignment's running clock fires."""
        from services.notifier.clock_text import read_clocks

        text = await self._db.fetchval("SELECT clocks FROM notifier.cases WHERE strpos(clocks, $1) > 0", assignment_id)
        clock = next((item for item in read_clocks(text or "[]") if (item.subject, item.code) == (assignment_id, code)), None)
        if clock is None or clock.next_at is None:
            raise CommandError(f"no clock {code} runs on assignment {assignment_id}")
        return clock.next_at

    async def move_clock(self, to: datetime) -> None:
        """Jalur's clock, for all services at once. Days pass, nobody waits."""
        await self._db.execute(
            """
            SELECT jalur.set_clock_offset(
                coalesce((SELECT ahead FROM jalur.clock_offsets ORDER BY set_at DESC LIMIT 1), '0')
                + greatest($1 - jalur.jalur_now(), '0'))
            """,
            to,
        )

    async def count(self, query: str) -> dict[str, int]:
        return {row[0]: row[1] for row in await self._db.fetch(query)}

    async def read(self, consumer: "AIOKafkaConsumer") -> None:
        """For ever: every record of the topics, as it comes."""
        from services.commands.lines import parts_of, payload_of
        from shared.envelope import clean_headers

        namespace = self._settings.namespace
        async for record in consumer:
            what, who = parts_of(record.topic, namespace)
            event_id = clean_headers(record.headers).get("ce_id", "")
            self.arrivals.append(Arrival(what, who, event_id, payload_of(record.value) or {}, record.value or b"", time.monotonic()))
            self._came.set()


@asynccontextmanager
async def scene_of(stack: Stack) -> AsyncIterator[Scene]:
    """A scene whose consumer reads every topic from the first record on."""
    import httpx

    from services.commands.listen import listening
    from shared.topics import Topics

    settings = stack.settings()
    names = [topic.name for topic in Topics(settings.namespace).all()]
    async with (
        httpx.AsyncClient(base_url=stack.intake_url(), timeout=30.0, trust_env=False) as client,
        database(stack) as connection,
        listening(settings, names, from_start=True) as consumer,
    ):
        scene = Scene(stack, settings, client, connection)
        reading = asyncio.create_task(scene.read(consumer))
        try:
            yield scene
        finally:
            reading.cancel()
            await asyncio.wait([reading])
