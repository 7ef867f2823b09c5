"""Passwords of an installation: made once, readable by their reader, and checked by those who never see them."""

import base64
import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from deploy import secrets


def test_a_postgres_verifier_proves_the_server_of_the_rfcs_own_exchange() -> None:
    # RFC 7677 §3: user, pencil.
    verifier = secrets.postgres_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), rounds=4096)
    assert verifier.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    stored, server = (base64.b64decode(part) for part in verifier.rpartition("$")[2].split(":"))
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}".encode()
    assert base64.b64encode(hmac.digest(server, said, "sha256")) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    key = bytes(one ^ other for one, other in zip(proof, hmac.digest(stored, said, "sha256"), strict=True))
    assert hashlib.sha256(key).digest() == stored


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    first = secrets.make(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in first}
    assert secrets.make(tmp_path) == []
    assert {name: (tmp_path / name).read_bytes() for name in first} == before


def test_who_checks_a_password_never_has_it(tmp_path: Path) -> None:
    secrets.make(tmp_path)
    for service in (*secrets.SERVICES, "operator"):
        for kind in ("kafka", "postgres"):
            word = (tmp_path / service / f"{kind}-password").read_text()
            assert len(word) >= 40
            assert all(word not in file.read_text() for other in ("kafka", "postgres", "grafana") for file in (tmp_path / other).iterdir())


def test_a_lost_verifier_is_made_anew_for_the_password_that_is_in_use(tmp_path: Path) -> None:
    secrets.make(tmp_path)
    word = (tmp_path / "intake" / "postgres-password").read_text()
    (tmp_path / "postgres" / "intake-verifier").unlink()
    assert secrets.make(tmp_path) == ["postgres/intake-verifier"]
    made = (tmp_path / "postgres" / "intake-verifier").read_text()
    assert made == secrets.postgres_verifier(word, base64.b64decode(made.partition(":")[2].partition("$")[0]))


def test_files_are_for_their_owner_alone_and_end_without_a_line_break(tmp_path: Path) -> None:
    for name in secrets.make(tmp_path):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o400, name
        assert stat.S_IMODE((tmp_path / name).parent.stat().st_mode) == 0o700, name
        assert (tmp_path / name).read_text().endswith("\n") == (name == "kafka/users"), name


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "intake").mkdir()
    (tmp_path / "intake" / "kafka-password.part").write_text("half")
    secrets.make(tmp_path)
    assert not list(tmp_path.rglob("*.part"))
    assert len((tmp_path / "intake" / "kafka-password").read_text()) >= 40


def test_an_empty_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "intake").mkdir()
    (tmp_path / "intake" / "kafka-password").touch()
    with pytest.raises(secrets.EmptySecret, match="intake/kafka-password is empty"):
        secrets.make(tmp_path)


def test_every_folder_has_a_reader_and_every_reader_a_folder(tmp_path: Path) -> None:
    secrets.make(tmp_path)
    assert {folder.name for folder in tmp_path.iterdir()} == {*secrets.READERS, secrets.UNITS}
