"""The stack on this machine as an installation has it: passwords, first users, the broker's and the database's rules. Starts nothing.

What the broker must be told is read from the installation's own file, `deploy/kafka/server.properties`, so that both are the same.
"""

import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from deploy import secrets
from deploy.local import ports
from deploy.local.errors import StackError
from deploy.local.postgres import _binary

DEPLOY = Path(__file__).resolve().parents[1]
_RULES = ("config.providers", "sasl.", "listener.", "authorizer.", "allow.everyone", "super.users", "inter.broker.listener.name")


def make_secrets(folder: Path) -> None:
    """Once; what is there stays."""
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        secrets.make(folder)
    except secrets.EmptySecret as error:
        raise StackError(str(error)) from None


def units(made: Path) -> Path:
    """Where the passwords are of users that come after the first ones."""
    return made / secrets.UNITS


def broker_settings(made: Path, *, clients: int, inner: int, controller: int) -> dict[str, str]:
    lines = (DEPLOY / "kafka" / "server.properties").read_text(encoding="utf-8").splitlines()
    rules = dict(line.split("=", 1) for line in lines if line.startswith(_RULES))
    rules = {name: value.replace("/secrets", str(made / "kafka")) for name, value in rules.items()}
    inside = f"BROKER://{ports.HOST}:{inner},CONTROLLER://{ports.HOST}:{controller}"
    listeners = f"SERVICES://{ports.HOST}:{clients},{inside}"
    return {**rules, "listeners": listeners, "advertised.listeners": listeners}


def cluster_id(made: Path) -> str:
    return (made / "kafka" / "cluster-id").read_text(encoding="utf-8")


def write_first_users(made: Path, file: Path) -> str:
    """Into a file that only we can read, one argument a line, and returned as the storage tool takes it: what a user is checked with is
    enough to be that user, so that it must not be among a process's arguments.
    """
    users = (made / "kafka" / "users").read_text(encoding="utf-8").splitlines()
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.writelines(f"--add-scram\n{user}\n" for user in users)
    return f"@{file}"


def admin_connection(made: Path) -> dict[str, Any]:
    """For a client of Kafka with every right."""
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": secrets.KAFKA_ADMIN,
        "sasl_plain_password": (made / "operator" / "kafka-password").read_text(encoding="utf-8"),
    }


def operator_environment(made: Path) -> dict[str, str]:
    """What an operator's command is told of Kafka; the database's address has its password in it."""
    return _kafka(secrets.KAFKA_ADMIN, made / "operator" / "kafka-password")


def owner_address(made: Path, dsn: str) -> str:
    """The server of `dsn` as the tables' owner sees it."""
    word = (made / "operator" / "postgres-password").read_text(encoding="utf-8")
    return _as_role(dsn, f"jalur_owner:{quote(word, safe='')}")


def service_environment(made: Path, service: str, user: str, dsn: str) -> dict[str, str]:
    """`user`: by what name Kafka knows the service; another than the first users' has its password among the later ones."""
    word = made / service / "kafka-password" if user == service else units(made) / user
    return {
        **_kafka(user, word),
        "JALUR_POSTGRES": _as_role(dsn, f"jalur_{service}"),
        "JALUR_POSTGRES_PASSWORD": "",
        "JALUR_POSTGRES_PASSWORD_FILE": str(made / service / "postgres-password"),
    }


def make_roles(made: Path, dsn: str) -> None:
    """Once, as the server's superuser: what the image of an installation does with the same file at its first start."""
    where = urlsplit(dsn)  # the password not among the arguments, which everybody on the machine can read
    psql: list[str | Path] = [_binary("psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", _as_role(dsn, where.username or "")]
    known = {"PATH": os.environ.get("PATH", ""), "SECRETS": str(made / "postgres"), "PGPASSWORD": unquote(where.password or "")}
    ask: list[str | Path] = ["-At", "-c", "SELECT count(*) FROM pg_roles WHERE rolname = 'jalur_owner'"]
    make: list[str | Path] = ["-f", DEPLOY / "postgres" / "10-roles.sql"]
    for words in (ask, make):
        done = subprocess.run([*psql, *words], env=known, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"the database's roles could not be made: {done.stderr.strip()[-300:]}")
        if done.stdout.strip() == "1":
            return


def _kafka(user: str, word: Path) -> dict[str, str]:
    return {
        "JALUR_KAFKA_SECURITY": "sasl_plaintext",
        "JALUR_KAFKA_USER": user,
        "JALUR_KAFKA_PASSWORD": "",
        "JALUR_KAFKA_PASSWORD_FILE": str(word),
    }


def _as_role(dsn: str, who: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{who}@{parts.hostname}:{parts.port}"))


def refuse_open_data(kafka: Path, made: Path) -> None:
    """Users are put into Kafka's storage when it is made: what was begun without them stays without."""
    if (kafka / "data").exists() and not made.exists():
        raise StackError(f"the data in {kafka.parent} was begun without --secure: name another --data-dir")
