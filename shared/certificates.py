"""When the certificates end that the settings name: read from their files, again each minute, because they are replaced in place."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from shared.logs import get_logger
from shared.metrics import CertificateMetrics
from shared.settings import Settings

_log = get_logger()
# Which file of certificates a parameter of the database's address names.
_OF_POSTGRES = {"postgres_authorities": "sslrootcert", "postgres_client": "sslcert"}


def files_of(settings: Settings) -> dict[str, Path]:
    """The files that the settings name, by the label they are shown under."""
    asked = parse_qs(urlsplit(settings.postgres).query)
    found = {label: Path(asked[name][-1]) for label, name in _OF_POSTGRES.items() if name in asked and asked[name][-1] != "system"}
    if settings.kafka_authorities is not None and settings.kafka_user and settings.kafka_security == "sasl_ssl":
        found["kafka_authorities"] = Path(settings.kafka_authorities)
    return found


def first_end(pem: bytes) -> datetime:
    """When the first of a file's certificates ends. Raises `ValueError` where it holds none."""
    from cryptography.x509 import load_pem_x509_certificates  # only an installation with certificates pays for the library

    return min(certificate.not_valid_after_utc for certificate in load_pem_x509_certificates(pem))


class CertificateWatch:
    def __init__(self, settings: Settings, metrics: CertificateMetrics) -> None:
        self._files: Mapping[str, Path] = files_of(settings)
        self._metrics = metrics
        self._unread: set[str] = set()

    async def look(self) -> None:
        for label, path in self._files.items():
            self._metrics.expiry.labels(label).set(self._seconds_left(label, path))

    def _seconds_left(self, label: str, path: Path) -> float:
        try:
            ends_at = first_end(path.read_bytes())
        except (OSError, ValueError) as error:
            if label not in self._unread:
                self._unread.add(label)
                _log.error("A file of certificates cannot be read; the next connection will fail", file=label, error=type(error).__name__)
            return 0.0
        self._unread.discard(label)
        return (ends_at - datetime.now(UTC)).total_seconds()
