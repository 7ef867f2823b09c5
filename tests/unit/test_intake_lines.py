"""A stream of bytes becomes the same lines however it was cut into chunks."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.intake.lines import read_body, read_lines
from services.intake.parsing import MOST_BYTES
from shared.problems import Problem


class Chunks:
    """A request whose body comes in these chunks."""

    headers: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    async def stream(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


async def lines_of(chunks: list[bytes]) -> list[tuple[int, bytes | None]]:
    """Number and line; None for one that is too large."""
    request: Any = Chunks(chunks)
    return [(number, None if isinstance(line, Problem) else line) async for number, line in read_lines(request, PLENTY)]


PLENTY = 1 << 30
LARGE = b"x" * (MOST_BYTES + 1)
FITS = b"x" * MOST_BYTES
PIECES = st.sampled_from([b"", b"\n", b"\r\n", b"a", b"bc", b" ", b"{}\n", b"\n\n", LARGE, FITS, LARGE + b"\n"])


@given(st.lists(PIECES, max_size=8))
@example([LARGE, b"a\n", b"b\n"])
@example([b"a\n" + LARGE, b"", b"c", b"\nb"])
@example([FITS, b"\n", FITS, b"x", b"\n"])
async def test_lines_do_not_depend_on_how_the_stream_is_cut(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    expected = [
        (number, line if len(line) <= MOST_BYTES else None) for number, line in enumerate(whole.split(b"\n"), start=1) if line.strip()
    ]
    assert await lines_of(chunks) == expected
    assert await lines_of([whole]) == expected


@given(st.lists(st.binary(max_size=100), max_size=6))
async def test_a_body_is_read_whole_up_to_its_limit(chunks: list[bytes]) -> None:
    request: Any = Chunks(chunks)
    assert await read_body(request) == b"".join(chunks)
    for over in ([FITS, b"x"], [LARGE]):
        request = Chunks(over)
        with pytest.raises(Problem) as refused:
            await read_body(request)
        assert refused.value.status == 413


@pytest.mark.parametrize("chunk", [b"\n", b"x", b"{}\n", b" \n"], ids=["empty lines", "no end", "lines", "blanks"])
async def test_a_stream_without_an_end_comes_to_one(chunk: bytes) -> None:
    taken = 0

    class Endless(Chunks):
        async def stream(self) -> AsyncIterator[bytes]:
            nonlocal taken
            while True:
                taken += 1
                yield chunk * 4096

    request: Any = Endless([])
    with pytest.raises(Problem) as refused:
        async for _ in read_lines(request, 1 << 20):
            pass
    assert refused.value.status == 413
    assert taken <= (1 << 20) // (4096 * len(chunk)) + 1
