"""Bodies and their lines, counted while they are read: nothing is trusted to be as long as it says. Knows no report."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from pydantic_core import to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.intake.parsing import MOST_BYTES, too_large
from shared.problems import Problem

MOST_LINES = 50_000
_LINES_AT_ONCE = 64


class _Answers(StreamingResponse):
    """Answers while the request is still being read: starlette's own watch for a disconnect would eat the rest of the body.

    It does so with every server that speaks ASGI older than 2.4, uvicorn among them.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.stream_response(send)


def line_by_line(
    request: Request,
    one: Callable[[int, bytes], Awaitable[dict[str, Any]]],
    problem_of: Callable[[Exception], Problem],
    pace: Callable[[], Awaitable[None]],
    most_bytes: int,
) -> Response:
    """Reads on while answers wait to be taken: a client that first sends everything must not block itself. `pace` precedes each line."""
    answers: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def answer(line: int, text: bytes | Problem) -> bytes:
        try:
            if isinstance(text, Problem):
                raise text
            found = await one(line, text)
        except Exception as error:
            found = {"line": line, "problem": problem_of(error).body()}
        return to_json(found) + b"\n"

    async def read() -> None:
        waiting: list[asyncio.Task[bytes]] = []

        async def finish() -> None:
            for done in await asyncio.gather(*waiting):
                answers.put_nowait(done)
            waiting.clear()

        try:
            async for line, text in read_lines(request, most_bytes):
                await pace()
                waiting.append(asyncio.create_task(answer(line, text)))
                if len(waiting) >= _LINES_AT_ONCE:
                    await finish()
            await finish()
        except ClientDisconnect:
            await finish()  # what was read is stored; the client repeats the batch and gets the same ids
        except Problem as problem:
            await finish()
            answers.put_nowait(to_json({"line": None, "problem": problem_of(problem).body()}) + b"\n")
        finally:
            answers.put_nowait(None)

    async def stream() -> AsyncIterator[bytes]:
        reader = asyncio.create_task(read())
        try:
            while (chunk := await answers.get()) is not None:
                yield chunk
        finally:
            await reader

    return _Answers(stream(), media_type="application/x-ndjson")


async def read_body(request: Request) -> bytes:
    """The body, counted while it is read: a missing or false Content-Length changes nothing."""
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > MOST_BYTES:
        raise too_large()
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > MOST_BYTES:
            raise too_large()
    return bytes(chunks)


async def read_lines(request: Request, most_bytes: int) -> AsyncIterator[tuple[int, bytes | Problem]]:
    """Lines with their numbers from 1; empty ones are passed over. A line that is too large is read to its end and told as a problem.

    Raises `Problem` 413 after `most_bytes`: also lines without an end, and empty ones, come to one.
    """
    number, rest, is_skipping, read = 1, bytearray(), False, 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > most_bytes:
            raise Problem(413, "too-large", "Too large", f"more than {most_bytes // 2**20} MiB; the lines answered before this were taken")
        rest += chunk
        if b"\n" not in chunk and len(rest) <= MOST_BYTES:
            continue
        *lines, tail = bytes(rest).split(b"\n")
        rest = bytearray(tail)
        for line in lines:
            if is_skipping or len(line) > MOST_BYTES:
                yield number, too_large("the line")
            elif line.strip():
                if number > MOST_LINES:
                    raise Problem(413, "too-large", "Too large", f"more than {MOST_LINES} lines; those before this one were taken")
                yield number, line
            is_skipping = False
            number += 1
        if len(rest) > MOST_BYTES:
            is_skipping = True
            rest.clear()
    if is_skipping:
        yield number, too_large("the line")
    elif bytes(rest).strip():
        yield number, bytes(rest)
