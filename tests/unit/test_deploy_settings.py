"""Where a service connects as whom: addresses without passwords, passwords from files, and how they travel."""

import ast
from pathlib import Path

import pytest

from deploy.check.names import names_in, unknown
from services.commands.connect import Stack
from shared.postgres import PLUMBING
from shared.publisher import connection_options
from shared.settings import Settings, SettingsError, postgres_address

PROJECT = Path(__file__).resolve().parents[2]
NEEDED = {"JALUR_KAFKA": "broker:9092", "JALUR_POSTGRES": "postgresql://intake@db/jalur?sslmode=verify-full"}


def load(**more: str) -> Settings:
    return Settings.load("intake", {**NEEDED, **more})


def test_a_password_from_a_file_is_put_into_the_address(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/wörd:1\n")
    address = load(JALUR_POSTGRES_PASSWORD_FILE=str(file)).postgres
    assert address == "postgresql://intake:p%40ss%2Fw%C3%B6rd%3A1@db/jalur?sslmode=verify-full"


def test_a_password_that_the_address_has_already_stays() -> None:
    environ = {"JALUR_POSTGRES_PASSWORD": "other"}
    assert postgres_address("postgresql://jalur:own@db/jalur", environ) == "postgresql://jalur:own@db/jalur"
    assert postgres_address("postgresql://jalur@db/jalur", {}) == "postgresql://jalur@db/jalur"


def test_a_password_for_nobody_is_refused_without_quoting_it() -> None:
    with pytest.raises(SettingsError, match="names no user") as refused:
        postgres_address("postgresql://db/jalur", {"JALUR_POSTGRES_PASSWORD": "hidden"})
    assert "hidden" not in str(refused.value)


def test_a_password_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="JALUR_POSTGRES_PASSWORD_FILE=/nowhere"):
        load(JALUR_POSTGRES_PASSWORD_FILE="/nowhere")


def test_commands_find_the_password_where_the_services_do(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("word")
    environ = {**NEEDED, "JALUR_POSTGRES_PASSWORD_FILE": str(file)}
    stack = Stack(NEEDED["JALUR_KAFKA"], NEEDED["JALUR_POSTGRES"], None, ".", environ)
    assert stack.dsn() == "postgresql://intake:word@db/jalur?sslmode=verify-full"
    assert stack.settings().postgres == stack.dsn()
    assert Stack("broker:9092", None, None, ".", environ).settings().kafka == "broker:9092"


def test_kafka_passwords_travel_in_tls_unless_told_otherwise() -> None:
    options = connection_options(load(JALUR_KAFKA_USER="intake", JALUR_KAFKA_PASSWORD="word"))
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert options["ssl_context"].check_hostname
    options = connection_options(load(JALUR_KAFKA_USER="intake", JALUR_KAFKA_PASSWORD="word", JALUR_KAFKA_SECURITY="sasl_plaintext"))
    assert (options["security_protocol"], options["ssl_context"]) == ("SASL_PLAINTEXT", None)
    assert "security_protocol" not in connection_options(load())


def test_a_way_that_does_not_exist_and_authorities_that_are_not_there_are_refused() -> None:
    with pytest.raises(SettingsError, match="sasl_ssl, sasl_plaintext"):
        load(JALUR_KAFKA_SECURITY="plaintext")
    with pytest.raises(SettingsError, match="JALUR_KAFKA_CA_FILE=/nowhere is not a file"):
        load(JALUR_KAFKA_CA_FILE="/nowhere")


def test_a_misspelt_setting_of_a_manifest_is_found() -> None:
    assert unknown(["JALUR_KAFKA", "JALUR_POSTGRES_PASSWORD_FILE", "KAFKA_HEAP_OPTS", "JALUR_KAFKA_USR"], PROJECT) == [
        "nothing reads the setting JALUR_KAFKA_USR"
    ]
    assert names_in('x = _secret(environ, "JALUR_X")') == {"JALUR_X", "JALUR_X_FILE"}


@pytest.mark.parametrize("service", sorted(PLUMBING))
def test_the_owner_migrates_what_the_service_itself_would(service: str) -> None:
    tree = ast.parse((PROJECT / "services" / service / "app.py").read_text())
    said = [
        ast.literal_eval(word.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "plumbing"
    ]
    assert said == [PLUMBING[service]]
