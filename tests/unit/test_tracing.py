"""Spans by the SDK's own memory: what is said in them, what goes on from them, and that nothing of it runs where nobody asked."""

import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared import tracing
from shared.envelope import clean_headers
from shared.records import Record

COMPLAINT = UUID("0190a5b4-7c1e-7f00-8000-000000000001")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
BAD = 'bukan, NIK 5371014107900001"]]'


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(tracing.Traces(provider))
    yield exporter
    tracing.use(None)


async def _answer(request: Request) -> Response:
    return PlainTextResponse(request.headers.get("traceparent", ""), int(request.query_params.get("status", "202")))


async def _fails(_request: Request) -> Response:
    raise ValueError("NIK 5371014107900001")


APP = Starlette(
    routes=[
        Route("/v1/complaints", _answer, methods=["POST", "GET"]),
        Route("/v1/complaints/{id}/changes", _fails, methods=["POST"]),
        Route("/health/live", _answer),
    ]
)


def door() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=tracing.served(APP)), base_url="http://intake")


def record(traceparent: str | None, partition: int = 0) -> Record:
    headers: tuple[tuple[str, bytes | None], ...] = (("traceparent", traceparent.encode()),) if traceparent else ()
    return Record("complaints.received", partition, 7, 0, COMPLAINT.bytes, b"{}", clean_headers(headers), headers)


async def test_a_request_goes_on_with_its_callers_trace_and_hands_its_own_span_on(spans: InMemorySpanExporter) -> None:
    async with door() as client:
        handed_on = (await client.post("/v1/complaints?source_ref=17", headers={"traceparent": PARENT})).text
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind) == ("POST /v1/complaints", SpanKind.SERVER)
    assert span.parent is not None and f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert span.context is not None and handed_on == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert span.attributes == {"http.request.method": "POST", "http.route": "/v1/complaints", "http.response.status_code": 202}


@pytest.mark.parametrize("said", [None, BAD, f"ff-{TRACE}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
async def test_what_is_no_trace_begins_one(spans: InMemorySpanExporter, said: str | None) -> None:
    async with door() as client:
        await client.get("/v1/complaints", headers={"traceparent": said} if said else {})
    (span,) = spans.get_finished_spans()
    assert span.parent is None and span.context is not None and f"{span.context.trace_id:032x}" != TRACE


async def test_health_is_no_trace_and_a_failure_is_one_without_its_words(spans: InMemorySpanExporter) -> None:
    async with door() as client:
        assert (await client.get("/health/live")).text == ""
        assert (await client.get("/v1/complaints?status=503")).status_code == 503
        with pytest.raises(ValueError, match="NIK"):
            await client.post(f"/v1/complaints/{COMPLAINT}/changes")
    refused, failed = spans.get_finished_spans()
    assert (refused.status.status_code, refused.name) == (StatusCode.ERROR, "GET /v1/complaints")
    assert (failed.status.status_code, failed.name) == (StatusCode.ERROR, "POST /v1/complaints/{id}/changes")
    assert "NIK" not in failed.to_json() and str(COMPLAINT) not in failed.to_json() and failed.events == ()


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/complaints/batch", "/v1/complaints/batch"),
        ("/v1/complaints/17/updates", "/v1/complaints/{id}/updates"),
        ("/v1/complaints/NIK 5371/5371", None),
        ("/v1/5371014107900001", None),
    ],
)
def test_a_route_is_one_of_ours_or_none(path: str, route: str | None) -> None:
    assert tracing.route_of(path) == route


def test_each_record_of_a_batch_is_a_span_of_its_own_trace_and_what_follows_goes_on_from_it(spans: InMemorySpanExporter) -> None:
    records = [record(PARENT), record(None, partition=1), record(BAD, partition=2)]
    with tracing.taking(records, "router"):
        within = [item.headers["traceparent"] for item in records]
    first, *others = spans.get_finished_spans()
    assert (first.name, first.kind) == ("process complaints.received", SpanKind.CONSUMER)
    assert first.context is not None and within[0] == f"00-{TRACE}-{first.context.span_id:016x}-01"
    assert first.attributes is not None and first.attributes["jalur.complaint_id"] == str(COMPLAINT)
    assert [span.parent for span in others] == [None, None], "a unit may have written anything there"
    assert records[0].raw_headers == (("traceparent", PARENT.encode()),), "a dead letter keeps what came"


def test_a_batch_that_is_given_back_ends_its_spans_as_failed(spans: InMemorySpanExporter) -> None:
    with pytest.raises(TimeoutError), tracing.taking([record(PARENT)], "router"):
        raise TimeoutError("NIK 5371014107900001")
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None and span.attributes["error.type"] == "TimeoutError" and "NIK" not in span.to_json()


def test_what_happens_of_its_own_accord_has_its_own_trace_and_is_linked_to_what_began_it(spans: InMemorySpanExporter) -> None:
    unknown = UUID(int=2)
    with tracing.apart("fire", {COMPLAINT: PARENT, unknown: None}) as traced:
        assert set(traced) == {COMPLAINT, unknown}
    fired, without = spans.get_finished_spans()
    assert fired.parent is None and fired.context is not None and traced[COMPLAINT][3:35] == f"{fired.context.trace_id:032x}" != TRACE
    assert [f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in fired.links] == [f"{TRACE}-00f067aa0ba902b7"]
    assert without.links == ()


def test_nothing_is_begun_or_changed_where_nobody_asked() -> None:
    records = [record(PARENT), record(None)]
    with tracing.taking(records, "router"), tracing.apart("fire", {COMPLAINT: PARENT}) as traced:
        assert (traced, [item.headers.get("traceparent") for item in records]) == ({}, [PARENT, None])
    assert tracing.served(APP) is APP


def test_a_service_that_is_not_asked_for_traces_does_not_even_import_the_sdk() -> None:
    environs: list[dict[str, str]] = [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
    ]
    code = (
        "import sys\nfrom shared import tracing\nimport services.intake.app, services.notifier.app\n"
        f"[tracing.start('intake', environ) for environ in {environs!r}]\n"
        "assert not tracing.is_on() and not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stderr == ""


def test_traces_that_are_asked_for_without_their_exporter_stop_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tracing.start("intake", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    assert not tracing.is_on()
    assert "requirements/otel.txt is not installed" in capsys.readouterr().out
