"""A connector that loses and doubles nothing: it repeats each report under its key until it has a 202."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

from tests.world import report

_PATIENCE_SECONDS = 300


class Connector:
    """Posts reports side by side; `accepted` maps each reference to the complaint id of every 202 it got."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url = url
        self._headers = headers
        self.accepted: dict[str, set[str]] = {}
        self.trouble = 0

    async def post_all(self, references: Sequence[str], side_by_side: int = 8) -> None:
        left = list(reversed(references))
        limits = httpx.Limits(max_connections=side_by_side)
        async with httpx.AsyncClient(base_url=self._url, headers=self._headers, limits=limits, timeout=10) as client:

            async def work() -> None:
                while left:
                    await self._post(client, left.pop())

            async with asyncio.timeout(_PATIENCE_SECONDS):  # a door that never opens again must not hang the run
                await asyncio.gather(*(work() for _ in range(side_by_side)))

    async def _post(self, client: httpx.AsyncClient, reference: str) -> None:
        body: dict[str, Any] = report(source_ref=reference, title=TITLES[int(reference) % len(TITLES)])
        while True:
            try:
                response = await client.post("/v1/complaints", json=body, headers={"Idempotency-Key": f"key-{reference}"})
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code == 202:
                self.accepted.setdefault(reference, set()).add(response.json()["id"])
                return
            assert response is None or response.status_code in (409, 503), response.text
            self.trouble += 1
            await asyncio.sleep(0.05)

    @property
    def ids(self) -> set[str]:
        return {complaint_id for ids in self.accepted.values() for complaint_id in ids}


TITLES = (
    "Paspor belum jadi",
    "Antrean paspor penuh",
    "M-Paspor error",
    "Petugas imigrasi minta uang",
    "Kunjungan lapas ditolak",
    "Merek saya",
)
