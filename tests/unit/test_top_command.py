"""What `jalur top` makes of the services' metrics."""

from services.commands.top import look, page
from shared.metrics import IntakeMetrics, NotifierMetrics, RouterMetrics, exposition


def test_figures_are_sums_of_what_the_services_expose_and_a_silent_service_has_none() -> None:
    intake, notifier = IntakeMetrics(), NotifierMetrics()
    intake.accepted.inc(3)
    notifier.consumer.lag.labels("complaints.received").set(4)
    notifier.consumer.lag.labels("complaints.changes").set(5)
    notifier.open_cases.labels("imigrasi", "overdue").set(2)
    notifier.oldest_overdue.labels("imigrasi").set(172_800)
    notifier.consumer.lag_of_retention.labels("complaints.received").set(0.02)
    notifier.consumer.lag_of_retention.labels("complaints.changes").set(0.01)
    found = look({"intake": exposition(intake.registry).decode(), "router": None, "notifier": exposition(notifier.registry).decode()})
    assert found.answers == {"intake": True, "router": False, "notifier": True}
    assert (found.figures["accepted"], found.figures["notifier_lag"], found.figures["decided"]) == (3, 9, None)
    assert (found.figures["notifier_unread"], found.figures["import_age"]) == (0.02, 0), "the greatest"
    assert found.units == {"imigrasi": {"overdue": 2, "oldest_overdue_seconds": 172_800}}


def test_the_page_says_what_needs_a_look() -> None:
    from rich.console import Console

    router = RouterMetrics()
    router.consumer.bugs.inc()
    console = Console(record=True, width=200)
    console.print(page(look({"intake": None, "router": exposition(router.registry).decode()})))
    shown = console.export_text(styles=True)
    assert "does not answer" in shown
    assert "router's unknown errors" in shown
    assert "\x1b[31m1" in shown, "in red"
