"""Whose turn it is in an outbox: the SQL of a relay's round, by age alone or in turn by lane. Sends nothing."""

# Plans are made when the outbox is empty and used when it is not: then only the index's order is cheap.
BY_INDEX = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}

_NOT_HELD_BACK = "AND NOT EXISTS (SELECT FROM outbox_failed WHERE outbox_failed.key = outbox.key)"
_OLDEST = """
    SELECT id, topic, key, headers, value FROM outbox WHERE topic <> ALL ($1::text[]) {held_back} ORDER BY id LIMIT $2
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
# The oldest of each lane first, then the second oldest of each, and so on. A complaint's events stand in one lane of a topic, and of a
# lane always the oldest are taken: in the order of their ids each complaint's own order is kept.
_IN_TURN = """
    , turns AS MATERIALIZED (
        SELECT waiting.id, row_number() OVER (PARTITION BY lanes.topic, lanes.lane ORDER BY waiting.id) AS turn
        FROM lanes CROSS JOIN LATERAL (
            SELECT id FROM outbox WHERE outbox.topic = lanes.topic AND outbox.lane = lanes.lane {held_back} ORDER BY id LIMIT $2
        ) AS waiting
        WHERE lanes.topic <> ALL ($1::text[])
        ORDER BY turn, waiting.id LIMIT $2
    )
    SELECT id, topic, key, headers, value FROM turns JOIN outbox USING (id) ORDER BY id
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
_QUERIES = {
    (has_lanes, has_failed): (_LANES + _IN_TURN if has_lanes else _OLDEST).format(held_back=_NOT_HELD_BACK if has_failed else "")
    for has_lanes in (False, True)
    for has_failed in (False, True)
}


def round_query(*, has_lanes: bool, has_failed: bool) -> str:
    """What a round takes: $1 the topics that pause, $2 how many rows. `has_failed`: some complaints are held back."""
    return _QUERIES[has_lanes, has_failed]
