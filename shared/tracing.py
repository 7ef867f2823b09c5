"""Traces by OpenTelemetry, where an operator asks for them; else nothing of it runs, and its SDK is not even imported.

A span says what was done, to which complaint and how it ended: never who speaks, an address as it was asked for, or words of a report.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.envelope import complaint_of
from shared.logs import get_logger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from shared.records import Record

_log = get_logger()
_ROUTE = re.compile(r"/v1/(?:complaints(?:/batch|/(?P<id>[^/]+)(?:/(?:changes|updates|decisions|disclosures))?)?|imports|changes)")
_METHODS = frozenset({"GET", "HEAD", "POST"})
# What is left is sent when a process ends; a collector that does not answer must not keep it.
_LAST_WORDS_SECONDS = 3.0
_Contexts = Mapping[UUID, str]  # by complaint: the `traceparent` of what is done to it


class Traces:
    """Begins spans and tells who goes on from them, as `traceparent` (W3C Trace Context)."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import Link, SpanKind, StatusCode, get_current_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer("jalur")
        self._shutdown = provider.shutdown
        self._propagator = TraceContextTextMapPropagator()
        self._nothing, self._link, self._kinds, self._error = Context(), Link, SpanKind, StatusCode.ERROR
        self._span_in = get_current_span

    def begin(
        self, name: str, kind: str, attributes: Mapping[str, Any], parent: str | None = None, cause: str | None = None
    ) -> tuple["Span", str]:
        """A span and its `traceparent`. `parent` began what this goes on with; `cause` lies weeks back, in a trace of its own."""
        links = [self._link(self._span_in(self._read(cause)).get_span_context())] if cause else []
        known = {attribute: value for attribute, value in attributes.items() if value is not None}
        span = self._tracer.start_span(name, self._read(parent), self._kinds[kind], known, links)
        said = span.get_span_context()
        return span, f"00-{said.trace_id:032x}-{said.span_id:016x}-{said.trace_flags:02x}"

    def end(self, span: "Span", error: BaseException | None = None) -> None:
        if error is not None:
            self.fail(span, type(error).__name__)
        span.end()

    def fail(self, span: "Span", kind: str) -> None:
        span.set_attribute("error.type", kind)
        span.set_status(self._error)

    def close(self) -> None:
        sending = threading.Thread(target=self._shutdown, daemon=True)
        sending.start()
        sending.join(_LAST_WORDS_SECONDS)

    def _read(self, traceparent: str | None) -> Any:
        """Of what is no `traceparent`, nothing: a trace begins there."""
        return self._propagator.extract({"traceparent": traceparent} if traceparent else {}, self._nothing)


_current: Traces | None = None


def use(traces: Traces | None) -> None:
    """For this process from now on; None: no more."""
    global _current  # noqa: PLW0603 - one for a process, as the SDK has it
    _current = traces


def is_on() -> bool:
    return _current is not None


def start(service: str, environ: Mapping[str, str]) -> None:
    """As `OTEL_*` says, which the SDK reads itself. A missing exporter is said and stops nothing: complaints are worth more than traces."""
    is_asked = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not is_asked or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # type: ignore[import-not-found]
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        _log.warning("No traces: they are asked for, but requirements/otel.txt is not installed", missing=error.name)
        return
    provider = TracerProvider(resource=Resource.create({"service.name": f"jalur-{service}"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(Traces(provider))
    _log.info("Traces are sent")


class _Served:
    """Every request by a span; who answers it finds the span's `traceparent` in the place of the caller's."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app = app
        self._traces = traces
        self.state = getattr(app, "state", None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            await self._request(scope, receive, send)
            return
        await self._app(scope, receive, send)
        if scope["type"] == "lifespan":
            self._traces.close()

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        route = route_of(scope["path"])
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        name = f"{method} {route}" if route else method
        span, traceparent = self._traces.begin(name, "SERVER", {"http.request.method": method, "http.route": route}, parent)
        headers = [(name, value) for name, value in scope["headers"] if name != b"traceparent"]

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:
                    self._traces.fail(span, str(message["status"]))
            await send(message)

        try:
            await self._app({**scope, "headers": [*headers, (b"traceparent", traceparent.encode())]}, receive, answered)
        except BaseException as error:
            self._traces.end(span, error)
            raise
        self._traces.end(span)


def served(app: ASGIApp) -> ASGIApp:
    """The app itself where no traces are wanted."""
    return app if _current is None else _Served(app, _current)


def route_of(path: str) -> str | None:
    """The path with `{id}` for what names a complaint; None for what is none of ours, which a caller may have written anything into."""
    found = _ROUTE.fullmatch(path)
    if found is None:
        return None
    return path if found["id"] is None else f"{path[: found.start('id')]}{{id}}{path[found.end('id') :]}"


def taking(records: "Sequence[Record]", group: str) -> AbstractContextManager[None]:
    """While a batch is taken: a span a record, in the trace that the record is of. Whatever it leads to goes on from that span."""
    return nullcontext() if _current is None else _taking(_current, records, group)


@contextmanager
def _taking(traces: Traces, records: "Sequence[Record]", group: str) -> Iterator[None]:
    spans = []
    for record in records:
        complaint_id = complaint_of(record.key)
        span, record.headers["traceparent"] = traces.begin(
            f"process {record.topic}",
            "CONSUMER",
            {
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": record.topic,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.kafka.offset": record.offset,
                "messaging.consumer.group.name": group,
                "jalur.complaint_id": str(complaint_id) if complaint_id else None,
            },
            record.headers.get("traceparent"),
        )
        spans.append(span)
    with _ended_together(traces, spans):
        yield


def apart(what: str, causes: Mapping[UUID, str | None]) -> AbstractContextManager[_Contexts]:
    """While something is done to complaints of its own accord: each in a trace of its own, linked to the one that began the complaint."""
    return nullcontext({}) if _current is None else _apart(_current, what, causes)


@contextmanager
def _apart(traces: Traces, what: str, causes: Mapping[UUID, str | None]) -> Iterator[_Contexts]:
    begun = {
        complaint_id: traces.begin(what, "INTERNAL", {"jalur.complaint_id": str(complaint_id)}, cause=cause)
        for complaint_id, cause in causes.items()
    }
    with _ended_together(traces, [span for span, _ in begun.values()]):
        yield {complaint_id: traceparent for complaint_id, (_, traceparent) in begun.items()}


@contextmanager
def _ended_together(traces: Traces, spans: "Sequence[Span]") -> Iterator[None]:
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        for span in spans:
            traces.end(span, error)
