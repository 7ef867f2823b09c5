"""The embedded broker's own decisions, and how both brokers are told their first users."""

import os
import stat
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from deploy import secrets
from deploy.local import kafka, secured
from deploy.local.kafka import new_cluster_id

PROJECT = Path(__file__).resolve().parents[2]


def test_a_cluster_id_never_looks_like_an_option() -> None:
    ids = iter([UUID("f8000000-0000-4000-8000-000000000000"), UUID("00000000-0000-4000-8000-000000000000")])
    assert new_cluster_id(lambda: next(ids)) == "AAAAAAAAQACAAAAAAAAAAA"


def expected(made: Path) -> list[str]:
    return [word for user in (made / "kafka" / "users").read_text().splitlines() for word in ("--add-scram", user)]


def test_what_opens_the_broker_goes_through_a_file_that_only_we_can_read_and_is_gone_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, folder = tmp_path / "made", tmp_path / "kafka"
    secured.make_secrets(made)
    (folder / "data.part").mkdir(parents=True)
    seen: list[tuple[list[str], str, int]] = []

    def run(words: list[str | Path], **_: object) -> int:
        file = Path(str(words[-1]).removeprefix("@"))
        seen.append(([str(word) for word in words], file.read_text(), stat.S_IMODE(file.stat().st_mode)))
        (folder / "data.part").mkdir()
        return 0

    monkeypatch.setattr(kafka, "run", run)
    kafka._format(folder, ["java"], 1, 2, {}, made, tmp_path / "log")
    ((words, told, mode),) = seen
    assert (told.splitlines(), mode) == (expected(made), 0o600)
    assert not any("saltedpassword" in word for word in words)
    assert sorted(path.name for path in folder.iterdir()) == ["data"]


def test_the_containers_broker_is_told_them_in_the_same_way(tmp_path: Path) -> None:
    secrets.make(tmp_path / "made")
    (tmp_path / "tmp").mkdir()
    kafka_home = tmp_path / "bin"
    kafka_home.mkdir()
    (kafka_home / "kafka-storage.sh").write_text(
        '#!/bin/bash\nprintf "%s\\n" "$@" > said\nfile="${!#}"\ncp --preserve=mode "${file#@}" told\n'
    )
    (kafka_home / "kafka-server-start.sh").write_text("#!/bin/bash\nls tmp > left\n")
    for file in kafka_home.iterdir():
        file.chmod(0o700)
    text = (PROJECT / "deploy" / "kafka" / "start.sh").read_text()
    for known, there in (("/opt/kafka/bin", "bin"), ("/secrets", "made/kafka"), ("/tmp", "tmp"), ("/var/lib/kafka/data", "data")):
        assert known in text
        text = text.replace(known, there)
    subprocess.run(["bash", "-c", text], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, check=True)
    assert (tmp_path / "told").read_text().splitlines() == expected(tmp_path / "made")
    assert stat.S_IMODE((tmp_path / "told").stat().st_mode) == 0o600
    assert "saltedpassword" not in (tmp_path / "said").read_text()
    assert (tmp_path / "left").read_text() == ""
