"""Roles as an operator writes them."""

import pytest

from services.intake.speakers import Speaker, parse_role


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ("source:lapor", Speaker("source", "lapor")),
        ("source:halo_kumham", Speaker("source", "halo_kumham")),
        ("unit:imigrasi", Speaker("unit", "imigrasi")),
        ("desk:kanim:kupang", Speaker("desk", "kanim:kupang")),
        ("desk:kanwil:nusa-tenggara-timur", Speaker("desk", "kanwil:nusa-tenggara-timur")),
        ("triage", Speaker("triage", None)),
        ("admin", Speaker("admin", None)),
        ("auditor", Speaker("auditor", None)),
    ],
)
def test_a_role_is_read_and_said_again(text: str, speaker: Speaker) -> None:
    assert parse_role(text) == speaker
    assert speaker.name == text


@pytest.mark.parametrize(
    "text", ["", "source", "source:", "admin:x", "triage:", "clerk:x", "source:a b", "source:caf\u00e9", "unit:a/b", ":x"]
)
def test_what_is_no_role_is_refused_saying_what_is_possible(text: str) -> None:
    with pytest.raises(ValueError, match="source:SUBJECT, unit:SUBJECT, desk:SUBJECT, triage, admin, auditor"):
        parse_role(text)
