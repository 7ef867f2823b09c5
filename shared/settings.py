"""What a service is told from outside, read once from an injected environment. Nothing else reads `os.environ`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote, urlsplit, urlunsplit

from shared.limits import Limits, Network, read_networks

LOG_LEVELS = ("debug", "info", "warning", "error")
# Whose installation it is; `kemenkumham` is the ministry before its split, with all eleven units.
MinistrySlug = Literal["kemenkumham", "kemenkum", "kemenham", "kemenimipas"]
MINISTRIES: tuple[MinistrySlug, ...] = get_args(MinistrySlug)
# How a user and a password travel to Kafka: within TLS, or in the clear on a network that nobody else is on.
KafkaSecurity = Literal["sasl_ssl", "sasl_plaintext"]
KAFKA_SECURITIES: tuple[KafkaSecurity, ...] = get_args(KafkaSecurity)


class SettingsError(ValueError):
    """A setting is missing or makes no sense; the message names it and says what to write."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One service's settings. `replica` is set only where the replica has a stable ordinal (Kafka static membership)."""

    service: str
    kafka: str
    postgres: str
    host: str = "127.0.0.1"
    port: int = 8080
    replica: int | None = None
    namespace: str = ""
    clock_is_settable: bool = False
    kafka_user: str | None = None
    kafka_password: str | None = None
    kafka_security: KafkaSecurity = "sasl_ssl"
    kafka_authorities: str | None = None
    resend_after_seconds: float = 900.0
    log_level: str = "info"
    ministry: MinistrySlug = "kemenkumham"
    limits: Limits = field(default_factory=Limits)
    trusted_proxies: tuple[Network, ...] = ()

    @staticmethod
    def load(service: str, environ: Mapping[str, str]) -> "Settings":
        """Raises `SettingsError` naming the variable."""

        def whole(name: str, default: int | None) -> int | None:
            text = environ.get(name, "").strip()
            if not text:
                return default
            if not (text.isascii() and text.isdigit()):
                raise SettingsError(f"{name}={text!r} is not a whole number")
            return int(text)

        def needed(name: str, example: str) -> str:
            value = environ.get(name, "").strip()
            if not value:
                raise SettingsError(f"{name} is not set; for example {name}={example}")
            return value

        port = whole("JALUR_PORT", 8080)
        assert port is not None
        if port > 65535:
            raise SettingsError(f"JALUR_PORT={port} is not a port")
        clock = environ.get("JALUR_CLOCK", "real").strip() or "real"
        if clock not in ("real", "settable"):
            raise SettingsError(f"JALUR_CLOCK={clock!r}: write real (default) or settable (demo and tests only)")
        level = environ.get("JALUR_LOG_LEVEL", "").strip().lower() or "info"
        if level not in LOG_LEVELS:
            raise SettingsError(f"JALUR_LOG_LEVEL={level!r}: write one of {', '.join(LOG_LEVELS)}")
        said = environ.get("JALUR_MINISTRY", "").strip().lower() or "kemenkumham"
        ministry = next((slug for slug in MINISTRIES if slug == said), None)
        if ministry is None:
            raise SettingsError(f"JALUR_MINISTRY={said!r}: write one of {', '.join(MINISTRIES)}")
        security_said = environ.get("JALUR_KAFKA_SECURITY", "").strip().lower() or "sasl_ssl"
        security = next((way for way in KAFKA_SECURITIES if way == security_said), None)
        if security is None:
            raise SettingsError(f"JALUR_KAFKA_SECURITY={security_said!r}: write one of {', '.join(KAFKA_SECURITIES)}")
        authorities = environ.get("JALUR_KAFKA_CA_FILE", "").strip() or None
        if authorities is not None and not Path(authorities).is_file():
            raise SettingsError(f"JALUR_KAFKA_CA_FILE={authorities} is not a file")
        resend = environ.get("JALUR_RESEND_AFTER", "900").strip()
        try:
            resend_after = float(resend)
        except ValueError:
            raise SettingsError(f"JALUR_RESEND_AFTER={resend!r} is not a number of seconds") from None
        try:
            limits = Limits.load(environ)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        try:
            proxies = read_networks(environ.get("JALUR_TRUSTED_PROXIES", ""))
        except ValueError as error:
            raise SettingsError(f"JALUR_TRUSTED_PROXIES: {error}; write addresses and networks, such as 10.0.0.5,10.1.0.0/16") from None
        return Settings(
            service=service,
            kafka=needed("JALUR_KAFKA", "broker-1:9092,broker-2:9092"),
            postgres=postgres_address(needed("JALUR_POSTGRES", "postgresql://jalur@db/jalur"), environ),
            host=environ.get("JALUR_HOST", "").strip() or "127.0.0.1",
            port=port,
            replica=whole("JALUR_REPLICA", None),
            namespace=environ.get("JALUR_NAMESPACE", "").strip(),
            clock_is_settable=clock == "settable",
            kafka_user=environ.get("JALUR_KAFKA_USER") or None,
            kafka_password=_secret(environ, "JALUR_KAFKA_PASSWORD"),
            kafka_security=security,
            kafka_authorities=authorities,
            resend_after_seconds=resend_after,
            log_level=level,
            ministry=ministry,
            limits=limits,
            trusted_proxies=proxies,
        )


def postgres_address(text: str, environ: Mapping[str, str]) -> str:
    """`text` with the password of JALUR_POSTGRES_PASSWORD or `…_FILE` in it; a password that it already has stays.

    Raises `SettingsError`, which never quotes the address: it may hold a password.
    """
    if not text.startswith(("postgresql://", "postgres://")):
        raise SettingsError("JALUR_POSTGRES does not begin with postgresql://")
    password = _secret(environ, "JALUR_POSTGRES_PASSWORD")
    if not password:
        return text
    parts = urlsplit(text)
    who, at, where = parts.netloc.rpartition("@")
    if ":" in who:
        return text
    if not at or not who:
        raise SettingsError("JALUR_POSTGRES_PASSWORD is set, but JALUR_POSTGRES names no user: postgresql://USER@host/database")
    return urlunsplit(parts._replace(netloc=f"{who}:{quote(password, safe='')}@{where}"))


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    """The value itself, or the contents of the file that `<name>_FILE` names."""
    path = environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{name}_FILE={path}: {error.strerror}") from None
    return environ.get(name) or None
