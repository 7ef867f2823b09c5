"""How far one source may run ahead of those who work on its reports, so that others' reports need not wait behind its own. Pure.

Kafka is read in the order in which it was written: what of a flood is sent ahead delays whatever comes after. So of a source that is
`most` reports ahead no new ones are sent until some were decided. Where nothing at all is decided nobody waits for a turn, and the
reports are as safe in Kafka as here: then nobody is held.
"""

from collections.abc import Collection, Mapping

MOST_AHEAD = 5_000  # a few seconds of the pipeline's work
_PATIENCE_LOOKS = 5


class Pace:
    """Fed once a second with what is undecided and what waits, and with what was sent; says whom to hold."""

    def __init__(self, most: int = MOST_AHEAD) -> None:
        self._most = most
        self._ahead: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._idle_looks: dict[str, int] = {}
        self.held: Collection[str] = ()

    def sent(self, lane: str) -> None:
        self._sent[lane] = self._sent.get(lane, 0) + 1

    def look(self, undecided: Mapping[str, int], waiting: Mapping[str, int]) -> None:
        """By lane: reports that were accepted and not decided, and how many of them were not even sent."""
        ahead = {lane: max(0, count - waiting.get(lane, 0)) for lane, count in undecided.items()}
        for lane, count in ahead.items():
            decided = self._ahead.get(lane, count + 1) + self._sent.get(lane, 0) - count
            self._idle_looks[lane] = 0 if decided > 0 else self._idle_looks.get(lane, 0) + 1
        self._ahead, self._sent = ahead, {}
        self._idle_looks = {lane: looks for lane, looks in self._idle_looks.items() if lane in ahead}
        self.held = sorted(lane for lane, count in ahead.items() if count >= self._most and self._idle_looks[lane] < _PATIENCE_LOOKS)
