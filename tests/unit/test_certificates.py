"""Certificates that the settings name are shown by when the first of each file ends, also after they were replaced in place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from shared.certificates import CertificateWatch, files_of, first_end
from shared.metrics import IntakeMetrics
from shared.settings import Settings

NOW = datetime.now(UTC).replace(microsecond=0)
KEY = Ed25519PrivateKey.generate()


def certificate(ends_at: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Jalur")])
    made = x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number(), NOW - timedelta(days=900), ends_at)
    return made.sign(KEY, None).public_bytes(Encoding.PEM)


def settings(**changed: Any) -> Settings:
    return Settings("intake", "127.0.0.1:1", "postgresql://jalur_intake@db/jalur", **changed)


def test_an_installation_without_certificates_shows_none() -> None:
    assert files_of(settings()) == {}
    assert files_of(settings(kafka_user="intake", kafka_security="sasl_plaintext", kafka_authorities="/ca")) == {}


def test_every_file_that_the_settings_name_is_watched() -> None:
    named = Settings(
        "intake", "127.0.0.1:1", "postgresql://u@db/jalur?sslmode=verify-full&sslrootcert=/a/ca.crt&sslcert=/a/own.crt",
        kafka_user="intake", kafka_authorities="/k/ca.pem",
    )  # fmt: skip
    assert files_of(named) == {
        "postgres_authorities": Path("/a/ca.crt"),
        "postgres_client": Path("/a/own.crt"),
        "kafka_authorities": Path("/k/ca.pem"),
    }
    assert files_of(Settings("intake", "127.0.0.1:1", "postgresql://db/jalur?sslrootcert=system")) == {}, "no file of ours"


def test_of_several_certificates_the_first_to_end_counts() -> None:
    first = NOW + timedelta(days=3)
    assert first_end(certificate(NOW + timedelta(days=400)) + certificate(first)) == first
    with pytest.raises(ValueError, match="PEM"):
        first_end(b"no certificate")


async def test_the_seconds_left_follow_the_file_and_are_0_where_it_cannot_be_read(tmp_path: Path) -> None:
    file, metrics = tmp_path / "ca.pem", IntakeMetrics()
    watch = CertificateWatch(settings(kafka_user="intake", kafka_authorities=str(file)), metrics.certificates)

    async def shown() -> float | None:
        await watch.look()
        return metrics.registry.get_sample_value("jalur_intake_certificate_expiry_seconds", {"file": "kafka_authorities"})

    now = datetime.now(UTC).replace(microsecond=0)
    file.write_bytes(certificate(now + timedelta(days=2)))
    assert await shown() == pytest.approx(2 * 86400, abs=300)
    file.write_bytes(certificate(now - timedelta(days=1)))
    assert await shown() == pytest.approx(-86400, abs=300)
    with capture_logs() as logs:
        file.unlink()
        assert [await shown(), await shown()] == [0.0, 0.0]
    assert [line["file"] for line in logs] == ["kafka_authorities"], "said once, and no path"
    file.write_bytes(certificate(now + timedelta(days=365)))
    assert await shown() == pytest.approx(365 * 86400, abs=300)
