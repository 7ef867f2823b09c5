"""The embedded broker's own decisions."""

from uuid import UUID

from deploy.local.kafka import new_cluster_id


def test_a_cluster_id_never_looks_like_an_option() -> None:
    ids = iter([UUID("f8000000-0000-4000-8000-000000000000"), UUID("00000000-0000-4000-8000-000000000000")])
    assert new_cluster_id(lambda: next(ids)) == "AAAAAAAAQACAAAAAAAAAAA"
