"""Kafka's jars: nothing that differs from the lock is ever left where the broker would load it."""

from pathlib import Path

import pytest

from deploy.local import jars
from deploy.local.errors import JarMismatchError, StackError
from deploy.local.jars import Jar, class_path, install, read_lock, sha256_of, write_lock

CONTENT = {"org.example:one:1.0": b"the first jar", "org.example:two:2.0": b"the second jar"}


def _registry(content: dict[str, bytes], asked: list[str] | None = None) -> jars.Fetch:
    """A registry that serves `content` and notes what it was asked for."""

    def fetch(coordinate: str, cache: Path) -> Path:
        if asked is not None:
            asked.append(coordinate)
        file = cache / _file(coordinate)
        file.write_bytes(content[coordinate])
        return file

    return fetch


def _file(coordinate: str) -> str:
    _, name, version = coordinate.split(":")
    return f"{name}-{version}.jar"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    locked = []
    for coordinate, content in CONTENT.items():
        sample = tmp_path / "sample"
        sample.write_bytes(content)
        locked.append(Jar(coordinate, _file(coordinate), sha256_of(sample)))
    write_lock(locked, tmp_path / "jars.lock")
    return tmp_path / "jars.lock"


def test_a_fresh_folder_gets_every_locked_jar(tmp_path: Path, lock: Path) -> None:
    folder = tmp_path / "jars"
    assert install(folder, lock, _registry(CONTENT)) == 2
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {_file(name): content for name, content in CONTENT.items()}


def test_a_jar_with_a_wrong_sha256_is_refused_by_name_and_not_kept(tmp_path: Path, lock: Path) -> None:
    folder = tmp_path / "jars"
    with pytest.raises(JarMismatchError, match=r"two-2\.0\.jar \(org\.example:two:2\.0\) has sha256 .* deleted"):
        install(folder, lock, _registry(CONTENT | {"org.example:two:2.0": b"something else"}))
    assert [file.name for file in folder.iterdir()] == ["one-1.0.jar"]
    with pytest.raises(StackError, match=r"1 of 2 jars .* two-2\.0\.jar: run `make setup`"):
        class_path(folder, lock)


def test_a_jar_that_was_changed_on_disk_is_fetched_again_and_the_right_ones_are_not(tmp_path: Path, lock: Path) -> None:
    folder = tmp_path / "jars"
    install(folder, lock, _registry(CONTENT))
    (folder / "one-1.0.jar").write_bytes(b"spoilt")
    asked: list[str] = []
    assert install(folder, lock, _registry(CONTENT, asked)) == 1
    assert asked == ["org.example:one:1.0"]
    assert (folder / "one-1.0.jar").read_bytes() == CONTENT["org.example:one:1.0"]


def test_a_second_installation_asks_the_registry_for_nothing(tmp_path: Path, lock: Path) -> None:
    folder = tmp_path / "jars"
    install(folder, lock, _registry(CONTENT))
    asked: list[str] = []
    assert install(folder, lock, _registry(CONTENT, asked)) == 0
    assert asked == []


def test_a_jar_of_an_older_lock_is_taken_away(tmp_path: Path, lock: Path) -> None:
    folder = tmp_path / "jars"
    folder.mkdir()
    (folder / "one-0.9.jar").write_bytes(b"old")
    install(folder, lock, _registry(CONTENT))
    assert not (folder / "one-0.9.jar").exists()


def test_a_registry_that_fails_once_is_asked_again(tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "PAUSE_SECONDS", 0.0)
    serve, calls = _registry(CONTENT), []

    def flaky(coordinate: str, cache: Path) -> Path:
        calls.append(coordinate)
        if calls.count(coordinate) == 1:
            raise ConnectionError("reset by peer")
        return serve(coordinate, cache)

    assert install(tmp_path / "jars", lock, flaky) == 2


def test_a_registry_that_keeps_failing_is_named_with_the_coordinate_in_one_line(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "PAUSE_SECONDS", 0.0)

    def broken(coordinate: str, cache: Path) -> Path:
        raise ConnectionError("no route\nto host")

    with pytest.raises(StackError) as caught:
        install(tmp_path / "jars", lock, broken)
    assert str(caught.value) == "cannot fetch org.example:one:1.0: ConnectionError: no route"


def test_the_committed_lock_names_kafka_and_its_logging_once_each_and_no_address() -> None:
    locked = read_lock()
    names = [jar.coordinate.rpartition(":")[0] for jar in locked]
    assert {jars.KAFKA, jars.LOGGING} <= {jar.coordinate for jar in locked}
    assert len(names) == len(set(names)) == len({jar.file for jar in locked})
    assert {jar.coordinate.split(":")[2] for jar in locked if jar.coordinate.startswith("org.apache.kafka:")} == {"4.3.1"}
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert "//" not in jars.LOCK.read_text()
