"""A closed file opens only whole and in order, with its own key."""

from io import BytesIO
from pathlib import Path

import pytest

from services.commands import CommandError
from services.commands.backup_seal import Damaged, make_key, name_of, read_key, seal, signature, unseal

KEY, OTHER = bytes(range(32)), bytes(32)
MIB = 1024 * 1024
HEADER, CHUNK = 40, MIB + 16


def closed(text: bytes, key: bytes = KEY) -> bytes:
    out = BytesIO()
    size, _ = seal(key, BytesIO(text), out)
    assert size == len(out.getvalue())
    return out.getvalue()


def opened(data: bytes, key: bytes = KEY) -> bytes:
    return b"".join(unseal(key, BytesIO(data)))


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 5])
def test_what_was_closed_opens_as_it_was(size: int) -> None:
    text = bytes(number % 251 for number in range(1000)) * (size // 1000 + 1)
    assert opened(closed(text[:size])) == text[:size]


def test_the_same_text_is_closed_otherwise_each_time() -> None:
    assert closed(b"x" * 100)[HEADER:] != closed(b"x" * 100)[HEADER:]


DATA = closed(b"a" * MIB + b"b" * MIB + b"c" * 10)
FIRST, SECOND, LAST = DATA[HEADER : HEADER + CHUNK], DATA[HEADER + CHUNK : HEADER + 2 * CHUNK], DATA[HEADER + 2 * CHUNK :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:20],
        DATA[:HEADER],
        DATA[: HEADER + CHUNK],
        DATA[: HEADER + 2 * CHUNK],
        DATA[:-1],
        DATA + b"\0",
        DATA + LAST,
        DATA[:HEADER] + SECOND + FIRST + LAST,
        DATA[:HEADER] + FIRST + LAST,
        DATA[:HEADER] + LAST,
        DATA[:10] + b"\0" + DATA[11:],
        DATA[:-5] + bytes([DATA[-5] ^ 1]) + DATA[-4:],
        closed(b"another")[:HEADER] + DATA[HEADER:],
    ],
    ids=[
        "nothing", "half a header", "a header alone", "one chunk", "all but the last", "a byte less", "a byte more", "the end twice",
        "swapped", "one missing", "only the end", "another header", "a bit", "another file's header",
    ],
)  # fmt: skip
def test_anything_else_is_noticed(data: bytes) -> None:
    with pytest.raises(Damaged):
        opened(data)


def test_another_key_opens_nothing_and_signs_otherwise() -> None:
    with pytest.raises(Damaged):
        opened(DATA, OTHER)
    assert signature(KEY, b"x") != signature(OTHER, b"x")
    assert name_of(KEY) != name_of(OTHER)
    assert name_of(KEY) not in KEY.hex()


def test_a_key_is_32_bytes_for_its_owner_alone_and_never_written_over(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    key = read_key(tmp_path / "key")
    assert len(key) == 32
    with pytest.raises(CommandError, match="is there already"):
        make_key(tmp_path / "key")
    assert read_key(tmp_path / "key") == key
    (tmp_path / "short").write_bytes(b"x")
    for name in ("short", "none"):
        with pytest.raises(CommandError):
            read_key(tmp_path / name)
