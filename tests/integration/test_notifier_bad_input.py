"""What can never be read is kept as it came, and harms nobody else."""

from uuid import uuid4

from aiokafka import ConsumerRecord
from structlog.testing import capture_logs

from shared.envelope import Message
from shared.topics import Topics
from tests.bus import caught_up, message_of, put, ready, statuses, until_ready
from tests.facts import received, routed, updated
from tests.world import World

NIK = "5371014101900001"
PLAIN = (("ce_type", b"id.jalur.case.update.v1"), ("note", b"\xff\xfe"), ("nothing", None), ("note", b"twice"))


def bad_records(topics: Topics) -> dict[str, tuple[Message, str]]:
    """By name: a record, and the reason it is kept with."""
    case, other = uuid4(), uuid4()
    updates = topics.updates("imigrasi")
    good = updated(case, "accepted").to_json()
    foreign = updated(case, "accepted", "ahu").to_json()
    overflow = routed(other, decision=2**40).to_json()
    return {
        "null key": (Message(updates, None, good, PLAIN), "no_complaint_id"),
        "short key": (Message(updates, b"5049672", good, PLAIN), "no_complaint_id"),
        "not JSON": (Message(updates, case.bytes, f"NIK {NIK}".encode(), PLAIN), "not_our_schema"),
        "no value": (Message(updates, case.bytes, None, PLAIN), "not_our_schema"),
        "unknown status": (Message(updates, case.bytes, good.replace(b'"accepted"', f'"{NIK}"'.encode()), PLAIN), "not_our_schema"),
        "too large to be kept with its headers": (Message(updates, other.bytes, b"x" * 1_048_400, ()), "not_our_schema"),
        "another type": (Message(updates, case.bytes, good, (("ce_type", b"id.jalur.complaint.received.v1"),)), "wrong_type"),
        "another complaint's key": (Message(updates, other.bytes, good, PLAIN), "key_differs"),
        "another unit's": (Message(updates, case.bytes, foreign, PLAIN), "wrong_unit"),
        "another unit's part": (Message(topics.routed("ahu"), case.bytes, routed(case, "imigrasi").to_json(), ()), "wrong_unit"),
        "a number that no column takes": (Message(topics.routed("imigrasi"), other.bytes, overflow, ()), "not_our_schema"),
        "unreadable change": (Message(topics.changes, case.bytes, b"{}", ()), "not_our_schema"),
        "unreadable report": (Message(topics.received, case.bytes, f'{{"title": "{NIK}"}}'.encode(), ()), "not_our_schema"),
    }


async def test_bad_records_are_kept_as_they_came_with_a_reason_that_quotes_nothing(world: World) -> None:
    now = await world.now()
    before, after = uuid4(), uuid4()
    bad = bad_records(world.topics)
    assert sum(message.topic != world.topics.updates("imigrasi") for message, _ in bad.values()) < 20, "too few to open the breaker"
    await put(world, received(before, now), *(message for message, _ in bad.values()), received(after, now))
    odd = message_of(world.topics, routed(after, at=now))
    await put(world, Message(odd.topic, odd.key, odd.value, (("ce_id", b"\xff"), ("ce_type", None), ("traceparent", None))))
    with capture_logs() as logs:
        app = await world.start("notifier")
        await caught_up(world, "notifier")
    assert NIK not in str([{**entry, "exc_info": None} for entry in logs])
    found = await statuses(world)
    assert {case: found[str(case)].state for case in (before, after)} == {before: "received", after: "assigned"}

    letters = {(record.key, record.value, reason(record)): record for record in await world.records(world.topics.dead_letters("notifier"))}
    for name, (message, why) in bad.items():
        kept = None if name.startswith("too large") else message.value
        letter = letters.pop((message.key, kept, why), None)
        assert letter is not None, name
        headers = [(key, value) for key, value in letter.headers if not key.startswith("x-")]
        assert headers == list(message.headers), name
        said = {key: value.decode() for key, value in letter.headers if key.startswith("x-")}
        assert set(said) == {"x-dlq-reason", "x-dlq-error", "x-origin-topic", "x-origin-partition", "x-origin-offset", "x-failed-at"}
        assert said["x-origin-topic"] == message.topic
        assert NIK not in str(said), name
    assert letters == {}
    await until_ready(app)
    assert await ready(app) == (True, {})


def reason(record: "ConsumerRecord[bytes, bytes]") -> str:
    found: dict[str, bytes] = dict(record.headers)
    return found["x-dlq-reason"].decode()
