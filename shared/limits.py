"""What one caller may ask of a server, and the buckets that hold it to that. Pure: time enters as an argument."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_MOST_NAMES = 20_000
_LONGEST_FORWARDED = 2048
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings, each the environment's `JALUR_LIMIT_<NAME>`; a replica keeps its own count.

    A key's burst takes what a connector sends after an outage (a hundred thousand lines) at full speed; what follows is paced.
    """

    key_rate: float = 1_000.0  # requests and lines a second, for each key, once its burst is spent
    key_burst: float = 100_000.0
    key_at_once: int = 512  # requests under way by one key
    key_batches: int = 4  # of them batches and imports
    address_rate: float = 2_000.0  # requests a second from one address, whatever keys it shows
    address_burst: float = 200_000.0
    refusals_rate: float = 5.0  # refused keys a second from one address
    refusals_burst: float = 1_000.0
    batch_mib: int = 256  # what one batch or import may hold
    head_seconds: float = 10.0  # until a request's line and headers are there
    body_seconds: float = 30.0  # without progress in a body, or in taking an answer
    body_rate: float = 1_024.0  # bytes a second, below which a body's time runs out
    head_kib: int = 64  # a request's line and headers
    connections: int = 2_048
    connections_per_address: int = 1_024

    @staticmethod
    def load(environ: Mapping[str, str]) -> "Limits":
        """Raises `ValueError` naming the variable."""
        given: dict[str, float | int] = {}
        for name, attribute in _NAMES.items():
            text = environ.get(name, "").strip()
            if not text:
                continue
            kind = type(getattr(Limits(), attribute))
            try:
                value = kind(text)
            except ValueError:
                value = 0
            if not 0 < value < 1e12:
                raise ValueError(f"{name}={text!r}: write a {'whole number' if kind is int else 'number'} greater than 0")
            given[attribute] = value
        return Limits(**given)  # type: ignore[arg-type]


_NAMES = {
    "JALUR_LIMIT_KEY_RATE": "key_rate",
    "JALUR_LIMIT_KEY_BURST": "key_burst",
    "JALUR_LIMIT_KEY_AT_ONCE": "key_at_once",
    "JALUR_LIMIT_KEY_BATCHES": "key_batches",
    "JALUR_LIMIT_ADDRESS_RATE": "address_rate",
    "JALUR_LIMIT_ADDRESS_BURST": "address_burst",
    "JALUR_LIMIT_REFUSALS_RATE": "refusals_rate",
    "JALUR_LIMIT_REFUSALS_BURST": "refusals_burst",
    "JALUR_LIMIT_BATCH_MIB": "batch_mib",
    "JALUR_LIMIT_HEAD_SECONDS": "head_seconds",
    "JALUR_LIMIT_HEAD_KIB": "head_kib",
    "JALUR_LIMIT_BODY_SECONDS": "body_seconds",
    "JALUR_LIMIT_BODY_RATE": "body_rate",
    "JALUR_LIMIT_CONNECTIONS": "connections",
    "JALUR_LIMIT_CONNECTIONS_PER_ADDRESS": "connections_per_address",
}


class Buckets:
    """A bucket of tokens for each name. Of each only the instant is kept at which it will be full again (GCRA)."""

    def __init__(self, rate: float, burst: float, most_names: int = _MOST_NAMES) -> None:
        self._rate = rate
        self._holds = burst / rate
        self._most_names = most_names
        self._full_at: dict[str, float] = {}

    def take(self, name: str, now: float) -> float:
        """Take one token: 0 where there was one, else the seconds until there will be."""
        full_at = self._full_at.get(name, now)
        after = (max(now, full_at)) + 1 / self._rate
        missing = after - now - self._holds
        if missing > 1e-9:
            return missing
        if len(self._full_at) >= self._most_names and name not in self._full_at:
            self._forget(now)
        self._full_at[name] = after
        return 0.0

    def wait(self, name: str, now: float) -> float:
        """As `take`, and takes none."""
        missing = max(self._full_at.get(name, now), now) + 1 / self._rate - now - self._holds
        return missing if missing > 1e-9 else 0.0

    def _forget(self, now: float) -> None:
        """Full buckets are as good as none. Where that frees too little, those first seen go: memory stays bounded whoever comes."""
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        for name in list(self._full_at)[: max(0, len(self._full_at) - self._most_names // 2)]:
            del self._full_at[name]


def read_networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks, by commas; raises `ValueError` naming the first that is none."""
    return tuple(_read_network(word.strip()) for word in text.split(",") if word.strip())


def is_within(text: str, networks: Iterable[Network]) -> bool:
    """Whether this is an address in one of them; False for what is no address."""
    try:
        address = _read_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)


def address_reader(trusted: tuple[Network, ...]) -> Callable[[str, bytes], str]:
    """Who really asks: the peer, or, where that is a trusted proxy, the last in X-Forwarded-For that is none.

    Of IPv6 the first 64 bits: a caller has all the rest to himself. What stands left of the first foreign address is hearsay.
    """

    known: dict[str, bool] = {}

    def read(peer: str, forwarded: bytes) -> str:
        if trusted and forwarded:
            if peer not in known:
                if len(known) > 1000:
                    known.clear()
                known[peer] = is_within(peer, trusted)
            if known[peer]:
                for hop in reversed(forwarded[-_LONGEST_FORWARDED:].decode("latin-1").split(",")):
                    said = _plain(hop)
                    if said is None:
                        break
                    peer = said
                    if not is_within(said, trusted):
                        break
        return _bundled(peer) if ":" in peer else peer

    return read


def _read_address(text: str) -> IPv4Address | IPv6Address:
    """A socket of both families shows an IPv4 peer as ::ffff:192.0.2.1: that is 192.0.2.1."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def _read_network(text: str) -> Network:
    network = ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


def _plain(hop: str) -> str | None:
    """An address as proxies write it, perhaps with a port; None where it is none."""
    text = hop.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _bundled(peer: str) -> str:
    try:
        address = _read_address(peer.partition("%")[0])
    except ValueError:
        return peer
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))
