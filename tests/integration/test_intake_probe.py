import asyncio
import time

from tests.world import World, report, until


async def test_a(dsn: str) -> None:
    t = time.monotonic()
    async with World("127.0.0.1:1", dsn, "x") as world:
        app = await world.start("intake")
        print("start", time.monotonic() - t)
        async with world.client(app) as client:

            async def acc():
                r = await client.post("/v1/complaints", json=report(source_ref="1"))
                return r if r.status_code == 202 else None

            r = await until("x", acc)
            print("accepted", time.monotonic() - t)
            rs = await asyncio.gather(*(client.post("/v1/complaints", json=report(source_ref="1")) for _ in range(50)))
            print({r.status_code for r in rs}, len({r.text for r in rs}))
            print("50", time.monotonic() - t)
        t = time.monotonic()
    print("stop", time.monotonic() - t)


async def test_b(dsn: str) -> None:
    await test_a(dsn)


async def test_c(namespace: str) -> None:
    pass
