"""Whose turn it is in an outbox: the SQL of a relay's round, by age alone or in turn by lane. Sends nothing."""

from collections.abc import Mapping

# Plans are made when the outbox is empty and used when it is not: then only the index's order is cheap.
BY_INDEX = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}

_NOT_HELD_BACK = "AND NOT EXISTS (SELECT FROM outbox_failed WHERE outbox_failed.key = outbox.key)"
# Of each complaint the oldest event, found among so many of the oldest.
_OLDEST = """
    WITH turns AS MATERIALIZED (
        SELECT min(id) AS id, sum(count(*)) OVER ()::bigint AS seen, count(*) OVER () AS complaints
        FROM (SELECT id, topic, key FROM outbox WHERE topic <> ALL ($1::text[]) {held_back} ORDER BY id LIMIT $3) AS oldest
        GROUP BY topic, key
        ORDER BY 1 LIMIT $2
    )
    SELECT id, topic, key, headers, value, seen, complaints FROM turns JOIN outbox USING (id) ORDER BY id
"""
# Which lanes anything waits in, found by leaping from one to the next in the index.
_LANES = """
    WITH RECURSIVE lanes AS (
        (SELECT topic, lane FROM outbox ORDER BY topic, lane LIMIT 1)
        UNION ALL
        SELECT following.topic, following.lane FROM lanes CROSS JOIN LATERAL (
            SELECT topic, lane FROM outbox WHERE (topic, lane) > (lanes.topic, lanes.lane) ORDER BY topic, lane LIMIT 1
        ) AS following
    )
"""
# The oldest of each lane first, then the second oldest of each, and so on, and of each complaint the oldest alone. A complaint's events
# stand in one lane of a topic, and of a lane always the oldest are looked at: each complaint's own order is kept.
_IN_TURN = """
    , turns AS MATERIALIZED (
        SELECT waiting.*, row_number() OVER (PARTITION BY lanes.topic, lanes.lane ORDER BY waiting.id) AS turn
        FROM lanes LEFT JOIN unnest($5::text[], $6::text[], $7::bigint[]) AS wide (topic, lane, width) USING (topic, lane)
        CROSS JOIN LATERAL (
            SELECT min(id) AS id, sum(count(*)) OVER ()::bigint AS seen, count(*) OVER () AS complaints
            FROM (
                SELECT id, key FROM outbox WHERE outbox.topic = lanes.topic AND outbox.lane = lanes.lane {held_back}
                ORDER BY id LIMIT coalesce(wide.width, $2)
            ) AS oldest
            GROUP BY key
        ) AS waiting
        WHERE lanes.topic <> ALL ($1::text[]) AND NOT (lanes.topic = $3 AND lanes.lane = ANY ($4::text[]))
        ORDER BY turn, waiting.id LIMIT $2
    )
    SELECT id, topic, lane, key, headers, value, seen, complaints FROM turns JOIN outbox USING (id) ORDER BY id
"""
_LAG_OF_EACH = """
    SELECT lane, sum(waiting)::bigint AS waiting, max(extract(epoch FROM clock_timestamp() - stored_at))::float8 AS oldest
    FROM lanes
    CROSS JOIN LATERAL (SELECT count(*) AS waiting FROM outbox WHERE outbox.topic = lanes.topic AND outbox.lane = lanes.lane) AS counted
    CROSS JOIN LATERAL (
        SELECT stored_at FROM outbox WHERE outbox.topic = lanes.topic AND outbox.lane = lanes.lane ORDER BY id LIMIT 1
    ) AS first
    GROUP BY lane
"""
LAGS = _LANES + _LAG_OF_EACH
WAITING = "SELECT lane, count(*) AS count FROM outbox WHERE topic = $1 GROUP BY lane"
OLDEST_TO_GO = """
    SELECT extract(epoch FROM clock_timestamp() - stored_at)::float8 FROM outbox
    WHERE NOT (topic = $1 AND lane = ANY ($2::text[])) ORDER BY id LIMIT 1
"""
_QUERIES = {
    (has_lanes, has_failed): (_LANES + _IN_TURN if has_lanes else _OLDEST).format(held_back=_NOT_HELD_BACK if has_failed else "")
    for has_lanes in (False, True)
    for has_failed in (False, True)
}


def round_query(*, has_lanes: bool, has_failed: bool) -> str:
    """What a round takes: $1 the topics that pause, $2 how many rows. Without lanes $3 is how many it looks at.

    With lanes $3 and $4 are the topic and lanes that have run too far ahead, and $5, $6 and $7 topics, lanes and how many it looks at in
    those where that is not $2. Each row says of its lane how many were seen, and of how many complaints. `has_failed`: some are held back.
    """
    return _QUERIES[has_lanes, has_failed]


class Sight:
    """How many of a lane's oldest events a round looks at: as many as it takes, and more where most of them are of the same few complaints.

    Of those one leaves at a time. Whatever stood behind them would wait until they are through.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._most = least * 4**4  # under a second, in which a thousand leave
        self.widths: dict[tuple[str, str], int] = {}

    def of(self, lane: tuple[str, str]) -> int:
        return self.widths.get(lane, self._least)

    def learn(self, found: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        """By topic and lane: how many events this round saw, and of how many complaints. A lane in which nothing waits is forgotten."""
        widths = {lane: self._next(self.of(lane), seen, complaints) for lane, (seen, complaints) in found.items()}
        self.widths = {lane: width for lane, width in widths.items() if width > self._least}

    def _next(self, width: int, seen: int, complaints: int) -> int:
        if seen >= width and complaints < self._least // 2:
            return min(self._most, width * 4)
        # Narrower only once all that waits is seen then too: else the next round would be blind again.
        return width // 4 if seen <= width // 4 else width
