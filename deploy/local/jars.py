"""Apache Kafka's jars, by coordinate and sha256: `lock` writes down what they are, `install` fetches exactly those.

The resolver only warns on a wrong checksum and may return fewer jars than asked for without an error, so what it brings is
compared with the lock here, one by one. Nothing else is taken from it: no POM is read at installation.
"""

import hashlib
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import JarMismatchError, StackError

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
# Without it the broker logs nothing. Alone, without its dependencies: together with Kafka its BOM pulls kafka-clients down to another
# version, with which the broker dies of NoSuchMethodError.
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
LOCK = Path(__file__).with_name("jars.lock")
FOLDER = Path(__file__).parents[2] / ".jars"
THREADS = 8
TRIES = 3
PAUSE_SECONDS = 1.0

Fetch = Callable[[str, Path], Path]
"""Bring the artifact of a coordinate into a cache folder and say where it is."""


@dataclass(frozen=True, order=True)
class Jar:
    coordinate: str
    file: str
    sha256: str


def read_lock(lock: Path = LOCK) -> list[Jar]:
    """One jar a line: coordinate, file name, sha256."""
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return [Jar(*fields) for fields in lines]


def write_lock(jars: Iterable[Jar], lock: Path = LOCK) -> None:
    head = "# Apache Kafka and its logging: coordinate, file, sha256. Written by `make lock`.\n"
    lock.write_text(head + "".join(f"{jar.coordinate} {jar.file} {jar.sha256}\n" for jar in sorted(jars)))


def class_path(folder: Path = FOLDER, lock: Path = LOCK) -> str:
    """The locked jars and no others, for `java -cp`."""
    jars = [folder / jar.file for jar in read_lock(lock)]
    missing = [jar.name for jar in jars if not jar.is_file()]
    if missing:
        raise StackError(f"{len(missing)} of {len(jars)} jars of Kafka are missing, first {missing[0]}: run `make setup`")
    return ":".join(map(str, jars))


def install(folder: Path = FOLDER, lock: Path = LOCK, fetch: Fetch | None = None) -> int:
    """Make `folder` hold exactly the locked jars; what is already right stays. Returns how many were fetched.

    A jar with another sha256 is deleted and `JarMismatchError` names it; the right ones of the same run are kept.
    """
    fetch = fetch or fetch_by_coordinate
    jars = read_lock(lock)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [jar for jar in jars if not _is_right(folder / jar.file, jar.sha256)]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as cache, ThreadPoolExecutor(THREADS) as pool:
        tasks = [pool.submit(_install_one, jar, folder, Path(cache), fetch) for jar in wanted]
        failures = [error for task in tasks if (error := task.exception()) is not None]
    for failure in failures:
        raise failure
    names = {jar.file for jar in jars}
    for stray in folder.glob("*.jar"):
        if stray.name not in names:
            stray.unlink()
    return len(wanted)


def _install_one(jar: Jar, folder: Path, cache: Path, fetch: Fetch) -> None:
    (folder / jar.file).unlink(missing_ok=True)
    fetched = _with_patience(jar.coordinate, cache, fetch)
    found = sha256_of(fetched)
    if found != jar.sha256:
        fetched.unlink()
        raise JarMismatchError(f"{jar.file} ({jar.coordinate}) has sha256 {found}, locked is {jar.sha256}: deleted")
    fetched.replace(folder / jar.file)


def _with_patience(coordinate: str, cache: Path, fetch: Fetch) -> Path:
    """A registry's passing failure is asked again; what a broken answer left in the cache is not trusted."""
    for attempt in range(1, TRIES + 1):
        private = Path(tempfile.mkdtemp(dir=cache))
        try:
            return fetch(coordinate, private)
        except Exception as error:  # the resolver raises whatever its libraries raise
            if attempt == TRIES:
                reason = (str(error).splitlines() or [""])[0][:200]
                raise StackError(f"cannot fetch {coordinate}: {type(error).__name__}: {reason}") from error
            time.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError("unreachable: the last try returns or raises")


def fetch_by_coordinate(coordinate: str, cache: Path) -> Path:
    """The one file of a coordinate, without POMs, from the resolver's own default registry."""
    context = _context(cache)
    return Path(context.create_dependency(coordinate).artifact.resolve())


def lock_jars(lock: Path = LOCK) -> int:
    """Resolve Kafka alone, add the logging artifact, fetch all and write down their sha256."""
    with tempfile.TemporaryDirectory() as cache:
        context = _context(Path(cache))
        inputs, transitive = context.resolver.resolve([context.create_dependency(KAFKA)])
        needed = [*inputs, *(dependency for dependency in transitive if dependency.scope in ("compile", "runtime"))]
        artifacts = [dependency.artifact for dependency in needed]
        coordinates = [f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}" for artifact in artifacts if not artifact.classifier]
        if len(coordinates) != len(artifacts):
            raise StackError("a jar with a classifier has come in: the lock's format has no place for it")
        with ThreadPoolExecutor(THREADS) as pool:
            jars = list(pool.map(lambda coordinate: _locked(coordinate, Path(cache)), [*coordinates, LOGGING]))
    write_lock(jars, lock)
    return len(jars)


def _locked(coordinate: str, cache: Path) -> Jar:
    file = _with_patience(coordinate, cache, fetch_by_coordinate)
    return Jar(coordinate, file.name, sha256_of(file))


def _context(cache: Path):  # type: ignore[no-untyped-def]
    import truststore

    # Before anything imports requests: the system's certificates count, also behind a proxy that signs anew.
    truststore.inject_into_ssl()
    from jgo.maven import MavenContext

    return MavenContext(repo_cache=cache, timeout=60)


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_right(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_of(file) == sha256


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.ERROR)
    try:
        match arguments:
            case ["lock"]:
                print(f"{lock_jars()} jars locked in {LOCK}")
            case ["install"]:
                print(f"{install()} jars fetched, {len(read_lock())} in {FOLDER}")
            case _:
                print("usage: python -m deploy.local.jars lock|install", file=sys.stderr)
                return 2
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
