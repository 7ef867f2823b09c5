"""`python -m deploy.secrets DIR`: every password of an installation, one folder a reader. Standard library only.

Safe to repeat: what is there stays. A file ends without a line break, which Kafka would take for part of the password.
Who checks a password gets no password. PostgreSQL gets what it can only be checked with; what Kafka is given (SCRAM, RFC 5802) is
salted, and enough for a client to prove itself: `kafka/users` is as secret as the passwords.
"""

import base64
import hashlib
import hmac
import os
import secrets
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

SERVICES = ("intake", "router", "notifier")
# Who reads a folder, by the user and group number of its container.
READERS = {**dict.fromkeys((*SERVICES, "operator"), (10001, 10001)), "kafka": (1000, 1000), "postgres": (999, 999), "grafana": (472, 0)}
# Empty at first: `jalur access apply --secrets` puts a password for each unit there.
UNITS = "units"
KAFKA_ADMIN = "admin"
ROUNDS = 8192


def password() -> str:
    return secrets.token_urlsafe(32)


def cluster_id() -> str:
    """As Kafka writes one: 22 letters; one that begins with a dash would be read as an option."""
    while (found := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return found


def kafka_verifier(user: str, word: str, salt: bytes) -> str:
    """As `kafka-storage format --add-scram` takes it. A secret: never among a process's arguments, which everybody there can read."""
    salted = hashlib.pbkdf2_hmac("sha512", word.encode(), salt, ROUNDS)
    return f'SCRAM-SHA-512=[name={user},iterations={ROUNDS},salt="{_text(salt)}",saltedpassword="{_text(salted)}"]'


def postgres_verifier(word: str, salt: bytes, rounds: int = ROUNDS) -> str:
    """As PostgreSQL stores it, and takes it in `CREATE ROLE … PASSWORD`."""
    salted = hashlib.pbkdf2_hmac("sha256", word.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${rounds}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


class EmptySecret(Exception):
    """A file without a password in it: made by hand, or left by a disk that was full."""


def make(folder: Path) -> list[str]:
    """Returns the files made, as paths below `folder`."""
    made: list[str] = []

    def keep(reader: str, name: str, value: Callable[[], str]) -> str:
        file = folder / reader / name
        if file.exists():
            if not (known := file.read_text(encoding="utf-8")):
                raise EmptySecret(f"{file} is empty: put its secret there, or remove it")
            return known
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = value()
        part = file.with_name(f"{name}.part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)  # whole or not at all
        made.append(f"{reader}/{name}")
        return text

    users = {KAFKA_ADMIN: keep("operator", "kafka-password", password)}
    roles = {"owner": keep("operator", "postgres-password", password)}
    for service in SERVICES:
        users[service] = keep(service, "kafka-password", password)
        roles[service] = keep(service, "postgres-password", password)
    keep("kafka", "cluster-id", cluster_id)
    keep("kafka", "controller-password", password)
    lines = [kafka_verifier(user, word, secrets.token_bytes(24)) for user, word in users.items()]
    keep("kafka", "users", lambda: "".join(f"{line}\n" for line in lines))
    keep("postgres", "superuser-password", password)
    for role, word in roles.items():  # the database calls them jalur_owner, jalur_intake …
        keep("postgres", f"{role}-verifier", lambda word=word: postgres_verifier(word, secrets.token_bytes(16)))  # type: ignore[misc]
    keep("grafana", "admin-password", password)
    (folder / UNITS).mkdir(mode=0o700, exist_ok=True)
    return made


def hand_over_to(folder: Path, reader: str) -> None:
    """To the reader its own, and to nobody else; only root can give a file away."""
    uid, gid = READERS[reader]
    for path in (*(folder / reader).iterdir(), folder / reader):
        path.chmod(0o500 if path.is_dir() else 0o400)
        os.chown(path, uid, gid)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deploy.secrets DIR")
    folder = Path(sys.argv[1])
    try:
        made = make(folder)
    except EmptySecret as error:
        sys.exit(str(error))
    if os.access(folder, os.W_OK) and not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n")  # wherever somebody puts it, it is not committed
    if os.geteuid() == 0:
        for reader in READERS:
            hand_over_to(folder, reader)
        os.chown(folder / UNITS, *READERS["operator"])
        (folder / UNITS).chmod(0o700)
    if os.access(folder, os.W_OK) and not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n")  # wherever somebody puts it, it is not committed
    print(f"{len(made)} made in {folder}" if made else f"nothing to do: all secrets are in {folder}")


if __name__ == "__main__":
    main()
