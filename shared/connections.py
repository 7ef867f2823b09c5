"""Connections that are slow, endless or too many are closed in bounded time and memory. Knows HTTP's outline alone, and no request.

uvicorn waits for ever for a head, for a body's next byte and for an answer to be taken, and counts nothing; its time-out is for kept
connections only. A limit here costs a request nothing but a few comparisons: a timer is set only where one has to be waited for.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import to_json
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from shared.connection_ends import Flow, Outlet
from shared.limits import Limits, Network, address_reader, is_within
from shared.problems import Problem

_HEAD, _BODY, _DONE = range(3)
# What is read of a body after its answer was given, so that the client sees the answer before the connection ends.
_MOST_UNWANTED_BYTES = 1 << 20
_CLOSING_SECONDS = 2.0


class Connections:
    """All connections of one server, those that wait for their client first in line to make room."""

    def __init__(
        self,
        limits: Limits,
        headers: Mapping[str, str],
        proxies: tuple[Network, ...] = (),
        on_closed: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self.limits = limits
        self.headers = b"\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
        self.on_closed = on_closed
        self._proxies = proxies
        self._read = address_reader(())
        self._open: dict[LimitedProtocol, str] = {}
        self._of: Counter[str] = Counter()

    def protocol(self) -> type["LimitedProtocol"]:
        """For `uvicorn.Config(http=…)`."""
        connections = self

        class Protocol(LimitedProtocol):
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(connections, *args, **more)

        return Protocol

    def enter(self, protocol: "LimitedProtocol", peer: str) -> bool:
        """Whether there is room. Where all places are taken, whoever waits longest for nothing makes room."""
        address = self._read(peer, b"")
        if not is_within(peer, self._proxies) and self._of[address] >= self.limits.connections_per_address:
            return False
        if len(self._open) >= self.limits.connections:
            idle = next((item for item in self._open if item.is_waiting), None)
            if idle is None:
                return False
            self.leave(idle)
            idle.end("idle_for_another")
        self._open[protocol] = address
        self._of[address] += 1
        return True

    def leave(self, protocol: "LimitedProtocol") -> None:
        address = self._open.pop(protocol, None)
        if address is not None:
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with an end to every wait. `_deadline` is when the client has to have sent, or taken, what is awaited."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all = connections
        self._limits = connections.limits
        self._phase = _HEAD
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._overhead = 0  # bytes since the last byte of a body: heads, chunk extensions, trailers
        self._progress = 0
        self._unwanted = 0
        self._is_taken = True  # whether the client takes its answers
        self._is_lingering = False  # the last word is said
        # For the rest of a body after its answer, in all: what comes of it buys no time. As long as uvicorn waits for a next request.
        self._answered_seconds = min(float(self.timeout_keep_alive), self._limits.body_seconds)

    @property
    def is_waiting(self) -> bool:
        """For a request that has not come, or for the rest of one that was answered already: nobody waits for an answer."""
        return (self.cycle is None or self.cycle.response_complete) and not self.pipeline

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        remote = get_remote_addr(transport)
        if not self._all.enter(self, remote[0] if remote else ""):
            self.transport = transport
            self._phase = _DONE
            self._all.on_closed("too_many")
            self._say(Problem(503, "too-many-connections", "Too many connections", "close some, or come again later", retry_after=2))
            self._close()
            return
        super().connection_made(transport)
        self.flow = Flow(transport, self._resumed)
        self._await_client(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self)
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            self._unwanted += len(data)
            if self._unwanted > _MOST_UNWANTED_BYTES:
                self.transport.abort()
            return
        if self.transport.is_closing():
            return
        self._overhead += len(data)
        super().data_received(data)
        if self._phase == _DONE:
            if self._is_taken and not self.is_waiting:
                self._deadline = None
            elif self._is_taken and self._deadline is None:
                # Empty lines, or the end of a body after its answer: uvicorn stopped its own timer for them, and no request begins.
                self._await_client(self._limits.head_seconds)
        elif self._deadline is None:
            self._await_client(self._limits.head_seconds if self._phase == _HEAD else self._limits.body_seconds)
        elif self._progress and not self.cycle.response_complete:
            # Each byte buys time, and none can be saved up: a body that trickles ends, whatever its length.
            latest = self.loop.time() + self._limits.body_seconds
            self._deadline = min(latest, self._deadline + self._progress / self._limits.body_rate)
        self._progress = 0
        if self._overhead > self._limits.head_kib * 1024:
            self.end("head_large", Problem(431, "too-large", "Too large", f"more than {self._limits.head_kib} KiB of headers"))
        elif self._unwanted > _MOST_UNWANTED_BYTES and self.cycle.response_complete:
            self.end("body_unwanted")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._phase == _DONE:  # the next one on a kept connection; the first one's time runs since it was opened
            self._deadline = None if self._is_taken else self._deadline
        self._phase, self._unwanted = _HEAD, 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.cycle.default_headers = []
        self.cycle.transport = Outlet(self.transport, self._all.headers, self.finish)  # type: ignore[assignment]
        self._phase, self._overhead = _BODY, 0
        if self._is_taken:
            self._deadline = None

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._overhead = 0
        self._progress += len(body)
        if self.cycle.response_complete:
            self._unwanted += len(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._phase, self._overhead = _DONE, 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._phase == _BODY and self.is_waiting and self._is_taken and not self._is_lingering and not self.transport.is_closing():
            self._await_client(self._answered_seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_taken = False
        self._await_client(self._limits.body_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_taken = True
        self._deadline = None
        if self.is_waiting:
            self._await_client(self._answered_seconds if self._phase == _BODY else self._limits.head_seconds)
        elif self._phase != _DONE:
            self._await_client(self._limits.body_seconds)

    def _resumed(self) -> None:
        if self._phase == _BODY and self._is_taken:
            self._await_client(self._limits.body_seconds)

    def _await_client(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        """The timer: it may find that all has come meanwhile, or that more time was bought."""
        self._timer = None
        if self._deadline is None:
            return
        now = self.loop.time()
        if self._phase != _DONE and self._is_taken and self.flow.read_paused:
            self._deadline = now + self._limits.body_seconds  # the app reads on when it can; meanwhile nobody can send
        if self._deadline > now:
            self._timer = self.loop.call_at(self._deadline, self._look)
        elif self.transport.is_closing() or self._is_lingering or not self._is_taken:
            if not self._is_lingering and not self.transport.is_closing():
                self._all.on_closed("answer_not_taken")
            self.transport.abort()
        elif self._phase != _BODY:
            self.end("head_slow")
        else:
            self.end("body_slow", Problem(408, "too-slow", "Too slow", "the body did not come in time; send it again with the same key"))

    def end(self, reason: str, problem: Problem | None = None) -> None:
        """Close from this side; `problem` is told where the client still expects an answer, and to nobody else's request."""
        self._all.on_closed(reason)
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        is_expected = not is_answering if self._phase == _HEAD else is_answering and not cycle.response_started
        if is_answering:
            cycle.disconnected = True
            cycle.message_event.set()
        if problem is not None and is_expected and not self.pipeline:
            self._say(problem)
            self.finish()
        else:
            self._close()

    def finish(self) -> None:
        """The last answer is written. Who still sends is heard out for a moment: closed at once, his side would drop the answer."""
        if self._phase == _DONE or self.pipeline or self._is_lingering or self.transport.is_closing():
            self._close()
            return
        self._is_lingering, self._unwanted = True, 0
        self.flow.resume_reading()
        self.transport.write_eof()
        self._await_client(_CLOSING_SECONDS)

    def _say(self, problem: Problem) -> None:
        body = to_json(problem.body())
        lines = [
            f"HTTP/1.1 {problem.status} {problem.title}".encode(),
            b"content-type: application/problem+json",
            b"cache-control: no-store",
        ]
        if problem.retry_after is not None:
            lines.append(b"retry-after: %d" % problem.retry_after)
        lines += [b"content-length: %d" % len(body), b"connection: close", b"", body]
        self.transport.write(b"\r\n".join(lines).replace(b"\r\n", self._all.headers, 1))

    def _close(self) -> None:
        self.transport.close()
        # What the client does not take is dropped.
        self._deadline = None
        self._await_client(_CLOSING_SECONDS)
