"""Every metric: one row each, with a comment why an operator looks at it. Labels come from closed sets only, never from input."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from shared import metric_table as sets
from shared.metric_table import Metric, Table, counter, gauge, histogram, rows_of

# When each series began is told nobody, and would double every scrape.
disable_created_metrics()  # type: ignore[no-untyped-call]

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENESS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)


class ConsumerMetrics(Table):
    """What everything that reads from Kafka shows."""

    # Records applied, parked, held or kept as dead, by topic: the rate of work.
    consumed = counter("consumed_total", "Records whose effect is durable", topic=sets.TOPICS)
    # Records behind the end of each topic this replica reads; grows when the service cannot keep up.
    lag = gauge("lag_records", "Records appended and not yet applied", topic=sets.TOPICS)
    # Age of the oldest unread record as a share of what its topic keeps: at 1 Kafka deletes what was never read.
    lag_of_retention = gauge("lag_of_retention_ratio", "Age of the oldest unread record over its retention", topic=sets.AGING_TOPICS)
    # Records kept as dead letters, by reason; any is worth a look.
    dead = counter("dead_letters_total", "Records kept as dead letters", reason=sets.DEAD)
    # Batches given back because Kafka or PostgreSQL was away.
    given_back = counter("batches_given_back_total", "Batches that will be delivered again")
    # 1 while the breaker holds the consumer back; an operator must look.
    breaker_open = gauge("breaker_open", "1 while too many bad records stopped reading", purpose=sets.PURPOSES)
    # Unknown exceptions while reading or applying a record: each is a bug.
    bugs = counter("bugs_total", "Unknown exceptions, each a bug to mend")
    # Time from taking a batch to its effects being durable.
    batch_seconds = histogram("batch_seconds", "Time to make a batch durable", _LATENCY)


class OutboxMetrics(Table):
    """What every outbox shows."""

    # Events stored and not yet acknowledged by Kafka.
    depth = gauge("outbox_depth_events", "Events waiting to be sent")
    # Age of the oldest of them; grows while Kafka is away.
    oldest = gauge("outbox_oldest_age_seconds", "Age of the oldest event that waits")
    # Events that Kafka refused for good; each holds back its own complaint and needs a person.
    failed = gauge("outbox_failed_events", "Events that Kafka refused for good")
    # Events acknowledged by Kafka.
    sent = counter("outbox_sent_total", "Events acknowledged by Kafka")
    # 1 on the replica that holds the relay's lock.
    is_active = gauge("outbox_relay_active", "1 on the replica that relays")


class CertificateMetrics(Table):
    """What every service shows of the certificates that its settings name; nothing where they name none."""

    # Until the first certificate of the file ends: past it, connections that need it are refused. 0 where it cannot be read.
    expiry = gauge("certificate_expiry_seconds", "Seconds until a certificate ends", file=sets.CERTIFICATES)


class LaneMetrics(Table):
    """What each source of intake's has on its way to Kafka: whose reports wait, and whether one keeps another waiting."""

    # Events of the source's complaints that are stored and not yet acknowledged by Kafka.
    waiting = gauge("source_outbox_depth_events", "Events of a source waiting to be sent", source=sets.SOURCES)
    # Age of the oldest of them: the source's lag.
    oldest = gauge("source_outbox_oldest_age_seconds", "Age of a source's oldest event that waits", source=sets.SOURCES)

    def show(self, lanes: Mapping[str, tuple[int, float]]) -> None:
        """By the source's name: how many wait, and for how long the oldest."""
        for label in sets.SOURCES:
            found = [lag for name, lag in lanes.items() if sets.source_label(name) == label]
            self.waiting.labels(label).set(sum(count for count, _ in found))
            self.oldest.labels(label).set(max((age for _, age in found), default=0.0))


class IntakeMetrics(Table):
    """What intake shows beside that."""

    # Complaints accepted for the first time: what comes in.
    accepted = counter("accepted_total", "Complaints accepted")
    # Requests answered again from what is stored.
    repeated = counter("repeated_total", "Repeats that got the first answer again")
    # Second reports joined to a complaint that came in by another door.
    joined = counter("joined_total", "Reports joined to a known complaint")
    # Changes accepted.
    changes = counter("changes_total", "Changes accepted", kind=sets.CHANGES)
    # What units, desks and the admin said, by status; drafts are not said yet.
    updates = counter("updates_total", "Updates accepted", status=sets.STATUSES)
    # Answers that wait for an official's approval when they are stored.
    drafts = counter("drafts_total", "Drafts of answers stored")
    # Decisions of the triage desk and the admin.
    decisions = counter("decisions_total", "Decisions of a person accepted")
    # Unmasked reports shown: each is a person's access to personal data.
    disclosures = counter("disclosures_total", "Unmasked reports shown")
    # Requests refused, by problem.
    refused = counter("refused_total", "Requests refused", problem=sets.PROBLEMS)
    # Keys refused, by reason: a connector that was forgotten when its key was changed, or somebody who tries.
    keys_refused = counter("refused_keys_total", "Requests without a good key", reason=sets.KEY_REFUSALS)
    # Requests refused by a limit (429): a source floods, or the limits are too narrow for it.
    throttled = counter("throttled_total", "Requests refused by a limit", limit=sets.LIMITS)
    # Connections closed because the other side was too slow, too much or one too many.
    closed = counter("closed_connections_total", "Connections closed from this side", reason=sets.CLOSED)
    # Until the first of a role's keys ends that has no successor; below 0 its holder is refused. No sample where none has an end.
    key_expiry = gauge("key_expiry_seconds", "Time until a key without a successor ends", role=sets.ROLES)
    # Identifiers masked, by kind.
    masked = counter("masked_total", "Texts in which a kind of identifier was masked", kind=sets.MASKED)
    # Requests per commit: how well concurrent requests share one.
    group_size = histogram("group_requests", "Requests that shared a commit", (1, 2, 4, 8, 16, 32, 64, 128, 256))
    # Time to answer a submission.
    submit_seconds = histogram("submit_seconds", "Time to answer a submission", _LATENCY)
    # Rows of exports, by what came of them; refused ones are reports that Jalur may not know.
    imported = counter("imported_rows_total", "Rows of exports", source=sets.SOURCES, outcome=sets.IMPORTED)
    # How old the newest export is that a row came from: what happened there since, Jalur does not know. Nothing before the first.
    import_age = gauge("import_age_seconds", "Age of the newest export imported", source=sets.SOURCES)
    # Received events sent again because no status came of them.
    resent = counter("resent_total", "Received events sent again")
    # Accepted complaints without a decision (the read model shows only `received`, or nothing): returns to zero.
    undecided = gauge("undecided_complaints", "Accepted and not yet decided")
    # The same by source: whose reports wait for a decision.
    source_undecided = gauge("source_undecided_complaints", "Accepted and not yet decided, by source", source=sets.SOURCES)
    # 1 while Kafka does not answer: intake goes on accepting.
    kafka_away = gauge("kafka_away", "1 while Kafka does not answer")

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        super().__init__(self.registry, "intake")
        self.outbox = OutboxMetrics(self.registry, "intake")
        self.lanes = LaneMetrics(self.registry, "intake")
        self.consumer = ConsumerMetrics(self.registry, "intake")
        self.certificates = CertificateMetrics(self.registry, "intake")

    def show_undecided(self, by_source: Mapping[str, int]) -> None:
        self.undecided.set(sum(by_source.values()))
        for label in sets.SOURCES:
            self.source_undecided.labels(label).set(sum(count for name, count in by_source.items() if sets.source_label(name) == label))

    def show_key_expiry(self, by_role: Mapping[str, float]) -> None:
        self.key_expiry.clear()  # a role's last key with an end may be gone
        for role, seconds in by_role.items():
            self.key_expiry.labels(role).set(seconds)

    def show_closed(self, reason: str) -> None:
        self.closed.labels(reason).inc()


class RouterMetrics(Table):
    """What router shows beside that."""

    # Decisions taken, by what came of the leading part.
    decided = counter("decided_total", "Decisions taken", outcome=sets.OUTCOMES)
    # Parts given to each unit.
    routed = counter("routed_total", "Parts given to a unit", unit=sets.UNITS)
    # Parts held, by why.
    held = counter("held_total", "Parts held for a person", why=sets.WHYS)
    # Redelivered records answered from the decision log.
    repeated = counter("repeated_total", "Records answered from the decision log")
    # Time from acceptance to the decision.
    to_decision = histogram("accepted_to_decided_seconds", "Time from acceptance to decision", _LATENESS)
    # Records that ask for a decision whose number or causing id another record has taken: a fault of whoever numbers decisions.
    conflicting = counter("conflicting_total", "Requests whose decision another record has taken")
    # Parts that units gave back, by who had decided them and the band of confidence. Over `routed` by the same unit it is how often
    # the router errs; a band that is returned more often than it says is badly calibrated.
    returned = counter("returned_total", "Parts given back by a unit", unit=sets.UNITS, decided_by=sets.DECIDERS, band=sets.BANDS)
    # The same parts by the kind of the strongest reason: which evidence misleads. Units beside it would make one scrape ten times as long.
    returned_reasons = counter("returned_reasons_total", "Parts given back, by reason", reason=sets.REASONS, band=sets.BANDS)
    # Orders of a person, by the router's own view then; `agreed` is undecided where the router would have asked a person.
    ordered = counter("ordered_total", "Orders, by its view", unit=sets.VIEWS, band=sets.BANDS, agreed=sets.AGREED)
    # The same orders by the kind of the router's strongest reason.
    ordered_reasons = counter("ordered_reasons_total", "Orders, by its reason", reason=sets.REASONS, agreed=sets.AGREED)
    # Dispositions of the source, likewise.
    disposed = counter("disposed_total", "Dispositions, by its view", unit=sets.VIEWS, band=sets.BANDS, agreed=sets.AGREED)
    disposed_reasons = counter("disposed_reasons_total", "Dispositions, by its reason", reason=sets.REASONS, agreed=sets.AGREED)
    # 1 where an activated rule set cannot be read and the old one stays in force.
    rules_refused = gauge("rules_refused", "An activated rule set cannot be read")
    # How far the last day's mix of destinations lies from that of the four weeks before (population stability index, less what
    # chance makes of it). Alarm above 0.25; NaN while there are fewer than 100 and 500 decisions to compare.
    mix_drift = gauge("mix_drift", "Drift of the mix of units against its baseline")

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        super().__init__(self.registry, "router")
        self.consumer = ConsumerMetrics(self.registry, "router")
        self.certificates = CertificateMetrics(self.registry, "router")
        self.mix_drift.set(float("nan"))


class NotifierMetrics(Table):
    """What notifier shows beside that."""

    # Cases by what decision 0, part 0 made of them; `undecided` returns to zero.
    cases = gauge("cases", "Cases by the outcome of their first decision", outcome=(*sets.OUTCOMES, "undecided"))
    # Clock levels fired, by kind.
    fired = counter("fired_total", "Clock levels fired", kind=sets.FOLLOW_UPS)
    # Firings that proved wrong afterwards.
    rescinded = counter("rescinded_total", "Firings taken back")
    # How long after its instant a level fired.
    lateness = histogram("lateness_seconds", "Firing minus due instant", _LATENESS)
    # Clocks whose next level's instant has passed and that have not fired.
    due_backlog = gauge("due_backlog_clocks", "Clocks due and not fired")
    # How long the oldest of them has waited.
    oldest_due = gauge("oldest_due_age_seconds", "Age of the oldest unfired due instant")
    # Jalur's now minus the watermark: what deadlines lag behind the wall.
    watermark_age = gauge("watermark_age_seconds", "Now minus the sweep's watermark")
    # Updates and changes that their case cannot take yet.
    parked = gauge("parked_records", "Updates and changes parked")
    # Open cases that no clock will speak of, or that nobody has; `jalur cases reconcile` lists them.
    orphaned = gauge("orphaned_cases", "Open cases without a live clock or an owner", reason=sets.ORPHANED)
    # Updates refused after their time, told to their unit.
    refused = counter("refused_updates_total", "Updates refused")
    # What each unit has open and how far past its time, by the highest level that passed: whom to help, before the law's day is over.
    open_cases = gauge("open_cases", "Open cases with a clock, by unit and level", unit=sets.UNITS_AND_TRIAGE, level=sets.LEVELS)
    # How long the worst of them is past its deadline; 0 where none is.
    oldest_overdue = gauge("oldest_overdue_age_seconds", "Age of the oldest deadline that passed", unit=sets.UNITS_AND_TRIAGE)
    # Days until the end of the last year whose joint leave is decreed: past it, deadlines are provisional.
    calendar_horizon = gauge("calendar_horizon_days", "Days until the end of the last settled year")

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        super().__init__(self.registry, "notifier")
        self.outbox = OutboxMetrics(self.registry, "notifier")
        self.consumer = ConsumerMetrics(self.registry, "notifier")
        self.certificates = CertificateMetrics(self.registry, "notifier")


def exposition(registry: CollectorRegistry) -> bytes:
    return generate_latest(registry)


def every_metric() -> tuple[Metric, ...]:
    """The whole table, service by service."""
    parts: dict[str, tuple[type[Table], ...]] = {
        "intake": (IntakeMetrics, OutboxMetrics, LaneMetrics, ConsumerMetrics, CertificateMetrics),
        "router": (RouterMetrics, ConsumerMetrics, CertificateMetrics),
        "notifier": (NotifierMetrics, OutboxMetrics, ConsumerMetrics, CertificateMetrics),
    }
    return tuple(row.metric(service) for service, tables in parts.items() for table in tables for row in rows_of(table))
