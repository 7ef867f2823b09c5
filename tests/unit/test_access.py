"""Who may do what: a unit its own, a service what the design says, the namespaces apart, and nothing twice."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from services.commands import CommandError
from services.commands.access import passwords_for
from services.commands.access_bus import Difference
from shared.access import BusRight, NamespaceUnfit, Thing, bus_rights, data_rights, is_ours, reaches_us, unit_user, users
from shared.schemas.asyncapi import channels
from shared.topics import SERVICES, Topics
from shared.units import UNIT_SLUGS

NAMESPACES = ("", "t1", "east.trial")


def granted(topics: Topics, user: str, operation: str, resource: str = "topic") -> set[str]:
    return {right.name for right in bus_rights(topics) if (right.user, right.operation, right.resource) == (user, operation, resource)}


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("unit", UNIT_SLUGS)
def test_a_unit_has_its_own_three_topics_and_the_groups_under_its_name(namespace: str, unit: str) -> None:
    topics = Topics(namespace)
    user = unit_user(topics, unit)
    reads, writes = {topics.routed(unit), topics.follow_ups(unit)}, {topics.updates(unit)}
    assert granted(topics, user, "read") == reads
    assert granted(topics, user, "write") == writes
    assert granted(topics, user, "describe") == reads | writes
    groups = [right for right in bus_rights(topics) if right.user == user and right.resource == "group"]
    assert groups == [BusRight(user, "group", topics.groups_of(unit), "read", is_prefix=True)]
    others = [topics.groups_of(other) for other in (*UNIT_SLUGS, "triage") if other != unit]
    assert not any(name.startswith(groups[0].name) for name in (*others, *(topics.group(service) for service in SERVICES)))


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_service_reads_and_writes_what_the_published_document_says_and_its_own_dead_letters(namespace: str) -> None:
    topics = Topics(namespace)
    names = {topic.name for topic in topics.all()}

    def of(address: str) -> set[str]:
        begin, placeholder, _ = address.partition("{")
        return {name for name in names if (name.startswith(begin) if placeholder else name == address)}

    said = [channel for channel in channels(topics) if channel.name != "dead-letters"]
    for service in SERVICES:
        of_service = [(channel, reader) for channel in said for reader in channel.readers if reader.partition("-")[0] == service]
        reads = {name for channel, _ in of_service for name in of(channel.address)}
        writes = {name for channel in said if service in channel.writers for name in of(channel.address)}
        user = topics.user(service)
        assert granted(topics, user, "read") == reads
        assert granted(topics, user, "write") == writes | {topics.dead_letters(service)}
        assert granted(topics, user, "read", "group") == {topics.group(reader) for _, reader in of_service}


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_nobody_is_given_a_topic_by_its_beginning_or_one_that_does_not_exist(namespace: str) -> None:
    topics = Topics(namespace)
    names = {topic.name for topic in topics.all()}
    rights = [right for right in bus_rights(topics) if right.resource == "topic"]
    assert {right.name for right in rights} == names
    assert not any(right.is_prefix for right in rights)
    assert {right.user for right in rights} == set(users(topics))


def test_installations_on_one_cluster_share_no_user_and_reach_nothing_of_each_other() -> None:
    one, other = Topics(""), Topics("t1")
    assert not set(users(one)) & set(users(other))
    for mine, theirs in ((one, other), (other, one)):
        assert not any(is_ours(mine, user) for user in users(theirs))
        assert not any(reaches_us(mine, right) for right in bus_rights(theirs))


@pytest.mark.parametrize("namespace", ["imigrasi", "ham.trial", "triage", "jalur"])
def test_a_namespace_that_begins_like_a_units_groups_is_refused(namespace: str) -> None:
    with pytest.raises(NamespaceUnfit, match=namespace):
        bus_rights(Topics(namespace))


@pytest.mark.parametrize(
    ("right", "reaches"),
    [
        (BusRight("*", "topic", "*", "read"), True),
        (BusRight("reader", "topic", "complaints.", "read", is_prefix=True), True),
        (BusRight("reader", "topic", "complaints.status", "read"), True),
        (BusRight("reader", "topic", "payroll", "read"), False),
        (BusRight("reader", "group", "imigrasi.desk", "read"), True),
        (BusRight("reader", "group", "imigrasi", "read", is_prefix=True), True),
        (BusRight("reader", "group", "imigrasi.desk", "read", is_prefix=True), True),
        (BusRight("reader", "group", "jalur.notifier", "read"), True),
        (BusRight("reader", "group", "imigrasi2", "read"), False),
        (BusRight("reader", "cluster", "kafka-cluster", "alter"), True),
    ],
)
def test_what_somebody_else_was_given_of_ours_is_noticed(right: BusRight, reaches: bool) -> None:
    assert reaches_us(Topics(), right) is reaches


def test_what_everybody_may_do_with_what_is_ours_is_a_difference_and_what_one_stranger_may_is_only_told() -> None:
    everybody = BusRight("*", "topic", "complaints.", "read", is_prefix=True)
    assert not Difference(others=[everybody]).is_none
    assert Difference(others=[everybody]).is_applied
    assert Difference(others=[replace(everybody, permission="deny"), replace(everybody, user="backup")]).is_none


def test_a_password_file_that_is_empty_is_refused_and_one_that_was_cut_off_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "triage").touch()
    with pytest.raises(CommandError, match="triage is empty"):
        passwords_for(["triage"], tmp_path)
    (tmp_path / "unit-ham.part").write_text("half")
    assert passwords_for(["unit-ham"], tmp_path) == {"unit-ham": (tmp_path / "unit-ham").read_text()}
    assert {file.name for file in tmp_path.iterdir()} == {"triage", "unit-ham"}
    assert stat.S_IMODE((tmp_path / "unit-ham").stat().st_mode) == 0o600


def test_a_unit_that_the_directory_does_not_know_any_more_is_still_ours_to_remove() -> None:
    assert is_ours(Topics(), "unit-dissolved")
    assert is_ours(Topics("t1"), "t1.unit-dissolved")
    assert not is_ours(Topics(), "somebody")


def test_what_is_written_once_cannot_be_changed_by_who_writes_it() -> None:
    things = [Thing("table", "notifier", "notifier.timeline"), Thing("table", "notifier", "notifier.cases")]
    rights = {(right.role, right.name, right.privilege) for right in data_rights(things)}
    assert {privilege for _, name, privilege in rights if name == "notifier.timeline"} == {"SELECT", "INSERT"}
    assert {privilege for _, name, privilege in rights if name == "notifier.cases"} == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert {role for role, _, _ in rights} == {"jalur_notifier"}


@pytest.mark.parametrize("table", ["answers", "speech", "changes"])
def test_what_officials_and_sources_said_is_only_added_to(table: str) -> None:
    rights = data_rights([Thing("table", "intake", f"intake.{table}")])
    assert {right.privilege for right in rights} == {"SELECT", "INSERT"}


def test_a_function_that_runs_as_its_owner_is_given_to_no_service() -> None:
    things = [
        Thing("function", "notifier", "notifier.plain()"),
        Thing("function", "notifier", "notifier.as_owner()", runs_as_owner=True),
        Thing("function", "jalur", "jalur.jalur_now()"),
        Thing("function", "jalur", "jalur.set_clock_offset(wanted interval)"),
    ]
    given = {(right.role, right.name) for right in data_rights(things)}
    clock = {(f"jalur_{service}", "jalur.jalur_now()") for service in SERVICES}
    assert given == {("jalur_notifier", "notifier.plain()"), *clock}
