"""One trace from the HTTP request through Kafka to the unit and back to the door; and weeks later a trace that is linked to it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import httpx
import pytest
from aiokafka import ConsumerRecord
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared import tracing
from tests.world import World, payload, report, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(tracing.Traces(provider))
    yield exporter
    tracing.use(None)


def ids(item: "ConsumerRecord[bytes, bytes]") -> tuple[str, str]:
    """The trace and the span that a record says."""
    _, trace, span, _ = dict(item.headers)["traceparent"].decode().split("-")
    return trace, span


async def test_a_complaint_is_one_trace_and_its_deadline_weeks_later_is_linked_to_it(world: World, spans: InMemorySpanExporter) -> None:
    intake = await world.start("intake")
    await world.start("router")
    await world.start("notifier")
    transport = httpx.ASGITransport(app=tracing.served(intake))
    key = await world.key("source:lapor")
    async with httpx.AsyncClient(transport=transport, base_url="http://intake", headers=key) as client:

        async def accepted() -> str:
            response = await client.post(
                "/v1/complaints", json=report(source_ref="5049672"), headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            )
            return str(response.json()["id"]) if response.status_code == 202 else ""

        await until("intake accepts", accepted)

    def ended() -> dict[str, ReadableSpan]:
        return {f"{span.context.span_id:016x}": span for span in spans.get_finished_spans() if span.context is not None}

    async def ended_span(span_id: str) -> ReadableSpan:
        async def look() -> ReadableSpan | None:
            return ended().get(span_id)

        return cast(ReadableSpan, await until("a span ends", look))

    def way_to(span_id: str) -> list[str]:
        """The names of the spans from the first to this one, without the namespace of the test."""
        names: list[str] = []
        known = ended()
        while (span := known.get(span_id)) is not None:
            names.insert(0, span.name.replace(f"{world.topics.namespace}.", ""))
            span_id = f"{span.parent.span_id:016x}" if span.parent is not None else ""
        return names

    (routed,) = await world.until_records(1, world.topics.routed("imigrasi"))
    trace, span = ids(routed)
    await ended_span(span)
    assert (trace, way_to(span)) == (TRACE, ["POST /v1/complaints", "process complaints.received"])

    async def assigned() -> list[tuple[str, str]]:
        return [ids(item) for item in await world.records(world.topics.status) if payload(item)["state"] == "assigned"]

    ((trace, span),) = await until("the case is assigned", assigned)
    # The status hangs at the record that completed the case: report and decision reach the notifier in either order.
    received_last = ["POST /v1/complaints", "process complaints.received"]
    await ended_span(span)
    way = way_to(span)
    assert trace == TRACE
    assert way in (received_last, [*received_last, "process complaints.routed.imigrasi"])

    async def read() -> bool:
        return any(way_to(known) == [*way, "process complaints.status"] for known in ended())

    await until("intake reads it", read)
    await world.advance(timedelta(days=30))

    async def fired() -> list["ConsumerRecord[bytes, bytes]"]:
        return [item for item in await world.records(world.topics.follow_ups("imigrasi")) if payload(item)["kind"] == "overdue"]

    late = await until("a deadline passes", fired)
    for item in late:
        trace, span = ids(item)
        known = await ended_span(span)
        assert (known.name, known.parent, trace == TRACE) == ("fire", None, False)
        assert [f"{link.context.trace_id:032x}" for link in known.links] == [TRACE]
