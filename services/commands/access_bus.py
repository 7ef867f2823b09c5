"""Users and rights on Kafka: what the cluster has, against what it must have. Never resets the password of a user that is there."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, admin

from services.commands import CommandError, access_quotas
from shared.access import BusRight, bus_rights, byte_rates, is_ours, reaches_us, users
from shared.topics import Topics

if TYPE_CHECKING:
    from shared.settings import Settings

# The library is typed in parts only.
_kafka: Any = admin
ROUNDS = 8192
_ANSWERS_WITHIN_SECONDS = 15.0
_SEEN_WITHIN_SECONDS = 15.0
_PRINCIPAL = "User:"
_EVERYBODY = "*"
# What everybody else calls the cluster, this client calls a broker.
_CLUSTER = _kafka.ResourceType.BROKER


@dataclass(frozen=True)
class Difference:
    """`others` are rules for users that are none of ours, but reach our topics, groups or the cluster: they are told, and left. What
    everybody is allowed of ours is a difference all the same, which only its maker can end.
    """

    missing_users: list[str] = field(default_factory=list)
    surplus_users: list[str] = field(default_factory=list)
    missing: list[BusRight] = field(default_factory=list)
    surplus: list[BusRight] = field(default_factory=list)
    others: list[BusRight] = field(default_factory=list)
    unlimited_users: list[str] = field(default_factory=list)

    @property
    def is_none(self) -> bool:
        return self.is_applied and not any(right.user == _EVERYBODY and right.permission == "allow" for right in self.others)

    @property
    def is_applied(self) -> bool:
        """Nothing is left that is ours to give or take."""
        return not (self.missing_users or self.surplus_users or self.missing or self.surplus or self.unlimited_users)


class Bus:
    """The cluster as its super user sees it. Blocks: for commands only."""

    def __init__(self, settings: "Settings") -> None:
        self._topics = Topics(settings.namespace)
        self._settings = settings
        self._address = settings.kafka
        self._refusal = ""
        quiet = logging.getLogger("jalur.access")
        quiet.setLevel(logging.CRITICAL + 1)
        self._client = _kafka.AdminClient({**connection_options(settings), "error_cb": self._keep_error}, logger=quiet)

    def find_difference(self) -> Difference:
        wanted = bus_rights(self._topics)
        self._insist_on_rules()
        known = self._users()
        found = {_right_of(binding) for binding in self._ask(self._client.describe_acls(_EVERY))}
        ours = {right for right in found if is_ours(self._topics, right.user)}
        must = set(users(self._topics))
        return Difference(
            missing_users=sorted(must - known),
            surplus_users=sorted(user for user in known - must if is_ours(self._topics, user)),
            missing=sorted(wanted - ours),
            surplus=sorted(ours - wanted),
            others=sorted(right for right in found - ours if reaches_us(self._topics, right)),
            # Another limit than ours was set by an operator, and stays.
            unlimited_users=sorted(byte_rates(self._topics).keys() - access_quotas.byte_rates(self._settings).keys()),
        )

    def apply(self, difference: Difference, passwords: Mapping[str, str]) -> None:
        """First takes away, then gives, and returns when the cluster shows it. `passwords` has one for each user that is missing."""
        self.remove(difference.surplus)
        if difference.surplus_users:
            gone = [_kafka.UserScramCredentialDeletion(user, _kafka.ScramMechanism.SCRAM_SHA_512) for user in difference.surplus_users]
            self._each(self._client.alter_user_scram_credentials(gone))
        if difference.missing_users:
            self.set_passwords({user: passwords[user] for user in difference.missing_users})
        self.add(difference.missing)
        if difference.unlimited_users:
            wanted = byte_rates(self._topics)
            access_quotas.set_byte_rates(self._settings, {user: wanted[user] for user in difference.unlimited_users})
        until = time.monotonic() + _SEEN_WITHIN_SECONDS
        while not self.find_difference().is_applied:
            if time.monotonic() > until:
                raise CommandError(f"Kafka at {self._address} took the rights, but does not show them")
            time.sleep(0.05)

    def add(self, rights: Iterable[BusRight]) -> None:
        if wanted := [_told(_kafka.AclBinding, right) for right in rights]:
            self._each(self._client.create_acls(wanted))

    def remove(self, rights: Iterable[BusRight]) -> None:
        if gone := [_told(_kafka.AclBindingFilter, right) for right in rights]:
            self._each(self._client.delete_acls(gone))

    def set_passwords(self, passwords: Mapping[str, str]) -> None:
        """The password does not leave this process, but what is salted from it does, with which a client can prove itself (RFC 5802)."""
        how = _kafka.ScramCredentialInfo(_kafka.ScramMechanism.SCRAM_SHA_512, ROUNDS)
        self._each(
            self._client.alter_user_scram_credentials(
                [_kafka.UserScramCredentialUpsertion(user, how, word.encode()) for user, word in passwords.items()]
            )
        )

    def has_user(self, user: str) -> bool:
        return user in self._users()

    def _insist_on_rules(self) -> None:
        """A broker without an authorizer answers as if there were only no rules yet."""
        number = next(iter(self._ask(self._client.describe_cluster()).nodes)).id
        broker = _kafka.ConfigResource(_kafka.ConfigResource.Type.BROKER, str(number))
        (asked,) = self._client.describe_configs([broker]).values()
        named = self._ask(asked).get("authorizer.class.name")
        if named is not None and not named.value:
            raise CommandError(f"Kafka at {self._address} lets everybody do everything: it has no authorizer (jalur up --secure has one)")

    def _users(self) -> set[str]:
        found = self._ask(self._client.describe_user_scram_credentials())
        return {
            user
            for user, told in found.items()
            if any(info.mechanism == _kafka.ScramMechanism.SCRAM_SHA_512 for info in told.scram_credential_infos)
        }

    def _each(self, futures: Mapping[Any, "Future[Any]"]) -> None:
        for future in futures.values():
            self._ask(future)

    def _ask(self, future: "Future[Any]") -> Any:
        until = time.monotonic() + _ANSWERS_WITHIN_SECONDS
        while True:
            try:
                return future.result(0.2)
            except KafkaException as error:
                raise CommandError(self._in_words(error)) from None
            except TimeoutError as error:
                self._client.poll(0)  # only then it tells that it was refused
                if self._refusal or time.monotonic() > until:  # the client would go on trying
                    raise CommandError(self._in_words(error)) from None

    def _in_words(self, error: Exception) -> str:
        where = f"Kafka at {self._address}"
        found = error.args[0] if error.args else None
        code = found.code() if isinstance(found, KafkaError) else None
        if code in (KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.UNSUPPORTED_SASL_MECHANISM):
            return f"{where} does not let this user change rights: JALUR_KAFKA_USER must be a super user"
        if isinstance(error, TimeoutError) or code in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
            return f"{where} {self._refusal or 'does not answer'}"
        return f"{where} could not do it: {found.name() if isinstance(found, KafkaError) else type(error).__name__}"

    def _keep_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTHENTICATION:
            self._refusal = "refused the user or the password of JALUR_KAFKA_USER"


def connection_options(settings: "Settings") -> dict[str, Any]:
    """What this client is given; the same settings as for every other (`shared.publisher`)."""
    options: dict[str, Any] = {
        "bootstrap.servers": settings.kafka,
        "client.id": "jalur-access",
        "socket.timeout.ms": 10_000,
        "reconnect.backoff.max.ms": 500,
    }
    if settings.kafka_user:
        options |= {
            "security.protocol": settings.kafka_security.upper(),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": settings.kafka_user,
            "sasl.password": settings.kafka_password or "",
        }
        if settings.kafka_authorities:
            options["ssl.ca.location"] = settings.kafka_authorities
    return options


def lines_of(difference: Difference) -> list[str]:
    """`+` is missing, `-` is too much."""
    return [
        *(f"+ user {user}" for user in difference.missing_users),
        *(f"- user {user}" for user in difference.surplus_users),
        *(f"+ limit of what {user} may write in a second" for user in difference.unlimited_users),
        *_lines("+", difference.missing),
        *_lines("-", difference.surplus),
    ]


def _lines(sign: str, rights: Iterable[BusRight]) -> list[str]:
    """What somebody may do with one topic or group in one line."""
    found = []
    for _, some in groupby(rights, key=lambda right: replace(right, operation="")):
        same = list(some)
        found.append(f"{sign} {replace(same[0], operation=', '.join(right.operation for right in same))}")
    return found


_EVERY = _kafka.AclBindingFilter(
    _kafka.ResourceType.ANY, None, _kafka.ResourcePatternType.ANY, None, None, _kafka.AclOperation.ANY, _kafka.AclPermissionType.ANY
)


def _right_of(binding: Any) -> BusRight:
    return BusRight(
        user=binding.principal.removeprefix(_PRINCIPAL),
        resource="cluster" if binding.restype == _CLUSTER else binding.restype.name.lower(),
        name=binding.name,
        operation=binding.operation.name.lower(),
        is_prefix=binding.resource_pattern_type == _kafka.ResourcePatternType.PREFIXED,
        permission=binding.permission_type.name.lower(),
        host=binding.host,
    )


def _told(make: Callable[..., Any], right: BusRight) -> Any:
    return make(
        _CLUSTER if right.resource == "cluster" else _kafka.ResourceType[right.resource.upper()],
        right.name,
        _kafka.ResourcePatternType.PREFIXED if right.is_prefix else _kafka.ResourcePatternType.LITERAL,
        f"{_PRINCIPAL}{right.user}",
        right.host,
        _kafka.AclOperation[right.operation.upper()],
        _kafka.AclPermissionType[right.permission.upper()],
    )
