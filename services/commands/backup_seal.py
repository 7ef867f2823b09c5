"""How a backup is closed: AES-256-GCM in chunks, under a key from a file. Streams; knows nothing of what it closes.

Each file has a key of its own, derived from the operator's with a random salt, so that the chunks may be numbered from 0. A chunk's
number and whether it is the last are part of its nonce: one that is missing, moved, added or changed is noticed, and so is a lost end.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from services.commands import CommandError
from services.commands.connect import USAGE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_MAGIC = b"JALURBK1"
_SALT_BYTES = 32
_CHUNK = 1024 * 1024
_TAG_BYTES = 16


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Hashed:
    """Reads on from `source`, and knows the SHA-256 of what was read."""

    def __init__(self, source: Source) -> None:
        self._source, self._digest = source, hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class Damaged(CommandError):
    """The file is not as it was written, or was closed with another key."""


def make_key(file: Path) -> None:
    """A new key, readable by its owner alone. Never over a file that is there: it may be the key of all backups."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(secrets.token_bytes(KEY_BYTES))
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        raise CommandError(f"{file} is there already, and is left as it is") from None
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None


def read_key(file: Path) -> bytes:
    try:
        key = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", USAGE) from None
    if len(key) != KEY_BYTES:
        raise CommandError(f"{file} is no key: it has {len(key)} bytes, not {KEY_BYTES} (jalur backup --new-key FILE)", USAGE)
    return key


def name_of(key: bytes) -> str:
    """By which a key is told from another, and which says nothing of it."""
    return _derived(key, b"", b"jalur backup key name")[:8].hex()


def signature(key: bytes, text: bytes) -> str:
    """Of a manifest: only who has the key can have written it."""
    return hmac.new(_derived(key, b"", b"jalur backup manifest"), text, hashlib.sha256).hexdigest()


def seal(key: bytes, source: IO[bytes], out: IO[bytes]) -> tuple[int, str]:
    """All of `source`, closed; returns how many bytes were written, and their SHA-256."""
    digest, size = hashlib.sha256(), 0
    for piece in _sealed(key, source):
        out.write(piece)
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def unseal(key: bytes, source: Source) -> Iterator[bytes]:
    """What was closed, chunk by chunk; raises `Damaged` at the first that is not as it was written, at the latest at the end.

    So what was read may be used only after all of it was.
    """
    from cryptography.exceptions import InvalidTag

    header = source.read(len(_MAGIC) + _SALT_BYTES)
    if len(header) < len(_MAGIC) + _SALT_BYTES or not header.startswith(_MAGIC):
        raise Damaged("this is no backup of Jalur, or its beginning is lost")
    cipher = _cipher(key, header)
    whole = _CHUNK + _TAG_BYTES
    for number, (chunk, is_last) in enumerate(_with_last(iter(lambda: source.read(whole), b""))):
        try:
            yield cipher.decrypt(_nonce(number, is_last), chunk, header)
        except InvalidTag:
            raise Damaged(f"the backup is damaged or cut off in its {number + 1}. MiB, or was closed with another key") from None


def _sealed(key: bytes, source: IO[bytes]) -> Iterator[bytes]:
    header = _MAGIC + secrets.token_bytes(_SALT_BYTES)
    cipher = _cipher(key, header)
    yield header
    for number, (chunk, is_last) in enumerate(_with_last(iter(lambda: source.read(_CHUNK), b""))):
        yield cipher.encrypt(_nonce(number, is_last), chunk, header)


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each with whether it is the last; of nothing, one empty one."""
    held: bytes | None = None
    for chunk in chunks:
        if held is not None:
            yield held, False
        held = chunk
    yield held or b"", True


def _nonce(number: int, is_last: bool) -> bytes:
    return b"\0" * 3 + number.to_bytes(8, "big") + bytes([is_last])


def _cipher(key: bytes, header: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_derived(key, header[len(_MAGIC) :], b"jalur backup file"))


def _derived(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    """HKDF (RFC 5869) with SHA-256."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=32, salt=salt or None, info=purpose).derive(key)
