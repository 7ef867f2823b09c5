"""A backup is all of the database at one instant, closed; it opens only whole, with its key, on what can hold it."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.local.errors import StackError
from services.commands import CommandError, erasure_list
from services.commands.access_database import find_difference
from services.commands.backup_manifest import MANIFEST, SEALED, read_manifest
from services.commands.backup_seal import read_key, seal, unseal
from shared.postgres import is_recovered
from tests.operators import asked, database_alone, jalur, keep, opened
from tests.world import World

SECRET = "Paspor saya belum jadi, NIK 5371012345678901"


@pytest.fixture
async def here(dsn: str) -> AsyncIterator[World]:
    async with database_alone(dsn) as world:
        yield world


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "key"


async def some_cases(world: World) -> list[UUID]:
    ids = [uuid4() for _ in range(3)]
    for complaint_id in ids:
        columns = "source, reported_at, accepted_at"
        values = "'lapor', now(), now()"
        await world.db.execute(
            f"INSERT INTO intake.complaints (id, {columns}, is_final, received) VALUES ($1, {values}, false, '')", complaint_id
        )
        await world.db.execute(
            f"INSERT INTO intake.reports (complaint_id, number, {columns}, original) VALUES ($1, 0, {values}, $2)", complaint_id, SECRET
        )
        await keep(world, complaint_id, opened(complaint_id))
    return ids


async def all_rows(world: World) -> dict[str, list[str]]:
    tables = await world.db.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('intake', 'router', 'notifier', 'jalur')"
    )
    return {
        row["name"]: sorted(str(tuple(item)) for item in await world.db.fetch(f"SELECT * FROM {row['name']}"))
        for row in tables
        if row["name"] != "jalur.restores"
    }


async def backed_up(world: World, folder: Path, key: Path) -> Path:
    assert (await jalur(world, "backup", "--new-key", str(key))).exit_code == 0
    done = await jalur(world, "backup", str(folder), "--key-file", str(key))
    assert done.exit_code == 0, done
    return folder


async def test_a_restored_database_is_the_one_that_was_backed_up(here: World, tmp_path: Path, key: Path) -> None:
    await some_cases(here)
    before = await all_rows(here)
    folder = await backed_up(here, tmp_path / "today", key)
    assert mode_of(key) == 0o600
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in folder.iterdir())

    await some_cases(here)
    refused = await jalur(here, "restore", str(folder), "--key-file", str(key))
    assert refused.exit_code == 1
    assert "--replace" in refused.stderr
    done = await asked(here, "restore", str(folder), "--key-file", str(key), "--replace", "--yes")
    assert done["rows"]["intake.complaints"] == 3
    assert done["highest"]["sequence"] >= 1
    assert await all_rows(here) == before
    # The triggers and the defaults came with it.
    with pytest.raises(asyncpg.PostgresError, match="only ever added to"):
        await here.db.execute("UPDATE notifier.timeline SET what = 'x'")
    assert await here.db.fetchval("SELECT recovered_at IS NULL FROM jalur.restores")


async def test_a_backup_restores_into_an_empty_database(here: World, tmp_path: Path, key: Path) -> None:
    await some_cases(here)
    folder = await backed_up(here, tmp_path / "today", key)
    name = f"empty_{uuid4().hex[:8]}"
    await here.db.execute(f"CREATE DATABASE {name}")
    try:
        async with database_alone(here.dsn.rpartition("/")[0] + f"/{name}") as there:
            assert (await jalur(there, "restore", str(folder), "--key-file", str(key))).exit_code == 0
            assert await all_rows(there) == await all_rows(here)
    finally:
        await here.db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def mode_of(file: Path) -> int:
    return file.stat().st_mode & 0o777


def cut_off(folder: Path) -> None:
    data = (folder / SEALED).read_bytes()
    (folder / SEALED).write_bytes(data[:-20])


def flip(folder: Path) -> None:
    data = bytearray((folder / SEALED).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / SEALED).write_bytes(data)


def rewrite(folder: Path) -> None:
    kept = json.loads((folder / MANIFEST).read_text())
    kept["manifest"] = kept["manifest"].replace('"postgres": "', '"postgres": "1')
    (folder / MANIFEST).write_text(json.dumps(kept))


def unfinished(folder: Path) -> None:
    (folder / MANIFEST).unlink()


async def test_what_is_not_as_it_was_written_is_refused_before_anything_is_touched(here: World, tmp_path: Path, key: Path) -> None:
    folder = await backed_up(here, tmp_path / "whole", key)
    assert (await asked(here, "restore", str(folder), "--key-file", str(key), "--check"))["result"] == "whole"
    spoilers: dict[Callable[[Path], None], str] = {
        cut_off: "bytes", flip: "damaged", rewrite: "was changed", unfinished: "no whole backup",
    }  # fmt: skip
    rows = await all_rows(here)
    for spoil, said in spoilers.items():
        spoiled = tmp_path / spoil.__name__
        spoiled.mkdir()
        for file in folder.iterdir():
            (spoiled / file.name).write_bytes(file.read_bytes())
        spoil(spoiled)
        done = await jalur(here, "restore", str(spoiled), "--key-file", str(key), "--replace", "--yes")
        assert done.exit_code == 1
        assert said in done.stderr
    other = tmp_path / "other-key"
    await jalur(here, "backup", "--new-key", str(other))
    assert "was made with the key" in (await jalur(here, "restore", str(folder), "--key-file", str(other))).stderr
    assert (await jalur(here, "backup", "--new-key", str(key))).exit_code == 1  # never over a key
    assert await all_rows(here) == rows


async def test_a_backup_of_a_newer_release_or_a_newer_server_is_refused(here: World, tmp_path: Path, key: Path) -> None:
    await here.db.execute("INSERT INTO router.migrations (name, sha256) VALUES ('999_of_next_year.sql', 'x')")
    folder = await backed_up(here, tmp_path / "newer", key)
    done = await jalur(here, "restore", str(folder), "--key-file", str(key), "--replace", "--yes")
    assert done.exit_code == 1
    assert "newer release" in done.stderr
    assert "router/999_of_next_year.sql" in done.stderr


async def test_nothing_is_restored_under_services_that_work(here: World, tmp_path: Path, key: Path) -> None:
    folder = await backed_up(here, tmp_path / "today", key)
    service = await asyncpg.connect(here.dsn, server_settings={"application_name": "jalur-intake"})
    try:
        done = await jalur(here, "restore", str(folder), "--key-file", str(key), "--replace", "--yes")
        assert done.exit_code == 1
        assert "jalur-intake" in done.stderr
    finally:
        await service.close()


async def test_what_was_erased_since_the_backup_is_erased_again(here: World, tmp_path: Path, key: Path) -> None:
    erased, kept, _ = await some_cases(here)
    folder = await backed_up(here, tmp_path / "today", key)
    (tmp_path / "erased").write_text(f"{erased}\n{uuid4()}\n", encoding="utf-8")  # of one the backup knows nothing
    restore = ("restore", str(folder), "--key-file", str(key), "--replace", "--yes", "--erased", str(tmp_path / "erased"))
    assert (await jalur(here, *restore)).exit_code == 0
    rows = {row["complaint_id"]: row["original"] for row in await here.db.fetch("SELECT complaint_id, original FROM intake.reports")}
    assert SECRET not in rows[erased]
    assert rows[kept] == SECRET
    assert await here.db.fetchval("SELECT erased[1] FROM jalur.restores") == erased  # and once more after recovery


def signed_anew(folder: Path, key: Path, **said: Any) -> None:
    """As whoever has the key could, and as a backup of other tools would be."""
    secret = read_key(key)
    replace(read_manifest(folder, secret), **said).write(folder / MANIFEST, secret)


def closed_anew(folder: Path, key: Path, change: Callable[[bytes], bytes]) -> dict[str, Any]:
    """Other content in the sealed file, under the same key; returns what its manifest must say of it."""
    secret, out = read_key(key), BytesIO()
    with (folder / SEALED).open("rb") as source:
        size, digest = seal(secret, BytesIO(change(b"".join(unseal(secret, source)))), out)
    (folder / SEALED).write_bytes(out.getvalue())
    return {"size": size, "sha256": digest}


async def test_after_a_restore_that_stopped_half_way_no_service_begins(
    here: World, tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JALUR_KAFKA", here.bootstrap)  # which does not answer: it is refused before Kafka is asked
    await some_cases(here)
    folder = await backed_up(here, tmp_path / "today", key)
    rows = read_manifest(folder, read_key(key)).rows
    signed_anew(folder, key, rows=rows | {"intake.complaints": 4})  # noticed when all of it is in the database already
    restore = ("restore", str(folder), "--key-file", str(key), "--replace", "--yes")
    stopped = await jalur(here, *restore)
    assert stopped.exit_code == 1
    assert "the restore is not finished" in stopped.stderr
    assert await here.db.fetchval("SELECT count(*) FROM intake.complaints") == 3
    assert not await is_recovered(here.dsn)
    too_early = await jalur(here, "recover")
    assert too_early.exit_code == 1
    assert "jalur restore" in too_early.stderr

    signed_anew(folder, key, rows=rows)
    assert (await jalur(here, *restore)).exit_code == 0
    assert not await is_recovered(here.dsn)
    await here.db.execute("UPDATE jalur.restores SET recovered_at = now()")  # what `jalur recover` ends with
    assert await is_recovered(here.dsn)


def no_package(_: str) -> Path:
    raise StackError("no PostgreSQL binaries")


async def test_nothing_is_thrown_away_for_a_backup_that_cannot_be_restored_from_here(
    here: World, tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_cases(here)
    folder = await backed_up(here, tmp_path / "today", key)
    before = await all_rows(here)
    restore = ("restore", str(folder), "--key-file", str(key), "--replace", "--yes")
    made_by = read_manifest(folder, read_key(key)).pg_dump

    async def refused() -> str:
        done = await jalur(here, *restore)
        assert done.exit_code == 1
        assert await all_rows(here) == before
        assert await is_recovered(here.dsn)
        return done.stderr

    with monkeypatch.context() as bare:  # as in the image, which has no client programs
        bare.setattr("deploy.local.postgres._binary", no_package)
        bare.setattr(shutil, "which", lambda name: None)
        assert "there is no pg_restore" in await refused()
    signed_anew(folder, key, pg_dump="99.1")
    assert "99.1" in await refused()
    signed_anew(folder, key, pg_dump=made_by, **closed_anew(folder, key, lambda text: b"no archive"))
    assert "pg_restore cannot read it" in await refused()


async def test_a_restore_that_fails_in_pg_restore_says_that_nothing_is_left(here: World, tmp_path: Path, key: Path) -> None:
    await some_cases(here)
    folder = await backed_up(here, tmp_path / "today", key)
    signed_anew(folder, key, **closed_anew(folder, key, lambda text: text[:-20]))  # its list of contents is whole
    done = await jalur(here, "restore", str(folder), "--key-file", str(key), "--replace", "--yes")
    assert done.exit_code == 1
    assert "the database holds nothing of Jalur now" in done.stderr
    assert not await here.db.fetchval("SELECT to_regclass('intake.complaints') IS NOT NULL")
    assert not await is_recovered(here.dsn)


async def test_another_file_of_the_same_size_and_key_is_not_the_backup(here: World, tmp_path: Path, key: Path) -> None:
    folder = await backed_up(here, tmp_path / "today", key)
    closed_anew(folder, key, lambda text: text)  # its manifest knows nothing of it
    done = await jalur(here, "restore", str(folder), "--key-file", str(key), "--check")
    assert done.exit_code == 1
    assert "is not the file that the manifest describes" in done.stderr


async def test_the_services_have_their_rights_before_anything_is_erased_again(
    here: World, tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased, *_ = await some_cases(here)
    folder = await backed_up(here, tmp_path / "today", key)
    (tmp_path / "erased").write_text(f"{erased}\n", encoding="utf-8")

    async def failing(*_: Any) -> int:
        raise CommandError("not today")

    monkeypatch.setattr(erasure_list, "reapply", failing)  # `jalur recover` does it once more, and gives no rights
    restore = ("restore", str(folder), "--key-file", str(key), "--replace", "--yes", "--erased", str(tmp_path / "erased"))
    assert (await jalur(here, *restore)).exit_code == 1
    async with here.db.acquire() as connection:
        difference = await find_difference(connection)
    assert (difference.missing, difference.surplus) == ([], [])
    assert await here.db.fetchval("SELECT erased[1] FROM jalur.restores") == erased


async def test_a_backup_that_is_said_to_be_written_survives_a_power_cut(
    here: World, tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int]] = []  # by the file's number, which it keeps under its new name
    fsync, rename = os.fsync, Path.rename

    def synced(opened: int) -> None:
        done.append(("sync", os.fstat(opened).st_ino))
        fsync(opened)

    def renamed(file: Path, other: Path) -> Path:
        done.append(("rename", file.stat().st_ino))
        return rename(file, other)

    await backed_up(here, tmp_path / "first", key)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    folder = tmp_path / "today"
    assert (await jalur(here, "backup", str(folder), "--key-file", str(key))).exit_code == 0
    sealed, manifest, inside, outside = (file.stat().st_ino for file in (folder / SEALED, folder / MANIFEST, folder, tmp_path))
    assert done == [("sync", sealed), ("sync", manifest), ("rename", manifest), ("sync", inside), ("sync", outside)]
