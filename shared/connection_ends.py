"""The two ends of a connection as a request's cycle knows them: reading that says when it goes on, and writing that adds headers."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

_CONTINUE = b"HTTP/1.1 100 "


class Flow(FlowControl):
    """Says when reading goes on: while the app took its time, the client could not send."""

    def __init__(self, transport: asyncio.Transport, on_resumed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._on_resumed = on_resumed

    def resume_reading(self) -> None:
        if self.read_paused:
            super().resume_reading()
            self._on_resumed()


class Outlet:
    """What one request's answer is written to. Its close is the protocol's to carry out.

    The server's own headers are put in as they are: uvicorn would check each of them for every answer, which took 2 % of a submission.
    """

    __slots__ = ("_headers", "_is_begun", "_transport", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport, headers: bytes, finish: Callable[[], None]) -> None:
        self._transport = transport
        self._headers = headers
        self._is_begun = False
        self.is_closing = transport.is_closing
        self.close = finish

    def write(self, data: bytes) -> None:
        if not self._is_begun and not data.startswith(_CONTINUE):
            self._is_begun = True
            data = data.replace(b"\r\n", self._headers, 1)
        self._transport.write(data)
