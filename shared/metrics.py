"""Every metric, one table a service, a comment each. Labels come from closed sets only, never from input."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENESS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)


class ConsumerMetrics:
    """What everything that reads from Kafka shows."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        prefix = f"jalur_{service}"
        # Records applied, parked, held or kept as dead, by topic: the rate of work.
        self.consumed = Counter(f"{prefix}_consumed_total", "Records whose effect is durable", ["topic"], registry=registry)
        # Records behind the end of each topic this replica reads; grows when the service cannot keep up.
        self.lag = Gauge(f"{prefix}_lag_records", "Records appended and not yet applied", ["topic"], registry=registry)
        # Records kept as dead letters, by reason; any is worth a look.
        self.dead = Counter(f"{prefix}_dead_letters_total", "Records kept as dead letters", ["reason"], registry=registry)
        # Batches given back because Kafka or PostgreSQL was away.
        self.given_back = Counter(f"{prefix}_batches_given_back_total", "Batches that will be delivered again", registry=registry)
        # 1 while the breaker holds the consumer back; an operator must look.
        self.breaker_open = Gauge(f"{prefix}_breaker_open", "1 while too many bad records stopped reading", ["purpose"], registry=registry)
        # Unknown exceptions while reading or applying a record: each is a bug.
        self.bugs = Counter(f"{prefix}_bugs_total", "Unknown exceptions, each a bug to mend", registry=registry)
        # Time from taking a batch to its effects being durable.
        self.batch_seconds = Histogram(f"{prefix}_batch_seconds", "Time to make a batch durable", buckets=_LATENCY, registry=registry)


class OutboxMetrics:
    """What every outbox shows."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        prefix = f"jalur_{service}_outbox"
        # Events stored and not yet acknowledged by Kafka.
        self.depth = Gauge(f"{prefix}_depth_events", "Events waiting to be sent", registry=registry)
        # Age of the oldest of them; grows while Kafka is away.
        self.oldest = Gauge(f"{prefix}_oldest_age_seconds", "Age of the oldest event that waits", registry=registry)
        # Events that Kafka refused for good; each holds back its own complaint and needs a person.
        self.failed = Gauge(f"{prefix}_failed_events", "Events that Kafka refused for good", registry=registry)
        # Events acknowledged by Kafka.
        self.sent = Counter(f"{prefix}_sent_total", "Events acknowledged by Kafka", registry=registry)
        # 1 on the replica that holds the relay's lock.
        self.is_active = Gauge(f"{prefix}_relay_active", "1 on the replica that relays", registry=registry)


class IntakeMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.outbox = OutboxMetrics(self.registry, "intake")
        self.consumer = ConsumerMetrics(self.registry, "intake")
        # Complaints accepted for the first time, by kind of source (its key's closed set of names).
        self.accepted = Counter("jalur_intake_accepted_total", "Complaints accepted", registry=self.registry)
        # Requests answered again from what is stored.
        self.repeated = Counter("jalur_intake_repeated_total", "Repeats that got the first answer again", registry=self.registry)
        # Second reports joined to a complaint that came in by another door.
        self.joined = Counter("jalur_intake_joined_total", "Reports joined to a known complaint", registry=self.registry)
        # Changes accepted.
        self.changes = Counter("jalur_intake_changes_total", "Changes accepted", ["kind"], registry=self.registry)
        # What units, desks and the admin said, by status; drafts are not said yet.
        self.updates = Counter("jalur_intake_updates_total", "Updates accepted", ["status"], registry=self.registry)
        # Answers that wait for an official's approval when they are stored.
        self.drafts = Counter("jalur_intake_drafts_total", "Drafts of answers stored", registry=self.registry)
        # Decisions of the triage desk and the admin.
        self.decisions = Counter("jalur_intake_decisions_total", "Decisions of a person accepted", registry=self.registry)
        # Unmasked reports shown: each is a person's access to personal data.
        self.disclosures = Counter("jalur_intake_disclosures_total", "Unmasked reports shown", registry=self.registry)
        # Requests refused, by problem.
        self.refused = Counter("jalur_intake_refused_total", "Requests refused", ["problem"], registry=self.registry)
        # Identifiers masked, by kind.
        self.masked = Counter(
            "jalur_intake_masked_total", "Texts in which a kind of identifier was masked", ["kind"], registry=self.registry
        )
        # Requests per commit: how well concurrent requests share one.
        self.group_size = Histogram(
            "jalur_intake_group_requests",
            "Requests that shared a commit",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        # Time to answer a submission.
        self.submit_seconds = Histogram(
            "jalur_intake_submit_seconds", "Time to answer a submission", buckets=_LATENCY, registry=self.registry
        )
        # Received events sent again because no status came of them.
        self.resent = Counter("jalur_intake_resent_total", "Received events sent again", registry=self.registry)
        # Accepted complaints without a decision (the read model shows only `received`, or nothing): returns to zero.
        self.undecided = Gauge("jalur_intake_undecided_complaints", "Accepted and not yet decided", registry=self.registry)
        # 1 while Kafka does not answer: intake goes on accepting.
        self.kafka_away = Gauge("jalur_intake_kafka_away", "1 while Kafka does not answer", registry=self.registry)


class RouterMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.consumer = ConsumerMetrics(self.registry, "router")
        # Decisions taken, by what came of the leading part.
        self.decided = Counter("jalur_router_decided_total", "Decisions taken", ["outcome"], registry=self.registry)
        # Parts given to each unit.
        self.routed = Counter("jalur_router_routed_total", "Parts given to a unit", ["unit"], registry=self.registry)
        # Parts held, by why.
        self.held = Counter("jalur_router_held_total", "Parts held for a person", ["why"], registry=self.registry)
        # Redelivered records answered from the decision log.
        self.repeated = Counter("jalur_router_repeated_total", "Records answered from the decision log", registry=self.registry)
        # Time from acceptance to the decision.
        self.to_decision = Histogram(
            "jalur_router_accepted_to_decided_seconds", "Time from acceptance to decision", buckets=_LATENESS, registry=self.registry
        )
        # Records that ask for a decision whose number or causing id another record has taken: a fault of whoever numbers decisions.
        self.conflicting = Counter(
            "jalur_router_conflicting_total", "Requests whose decision another record has taken", registry=self.registry
        )
        # Parts that units gave back, by who had decided them, the kind of the strongest reason and the band of confidence. Over
        # `routed` by the same unit it is how often the router errs; a band that is returned more often than it says is badly calibrated.
        self.returned = Counter(
            "jalur_router_returned_total", "Parts given back by a unit", ["unit", "decided_by", "reason", "band"], registry=self.registry
        )
        # Orders of a person, by the router's own view then; `agreed` is undecided where the router would have asked a person.
        self.ordered = Counter(
            "jalur_router_ordered_total", "Orders, by its view", ["unit", "reason", "band", "agreed"], registry=self.registry
        )
        # Dispositions of the source, likewise.
        self.disposed = Counter(
            "jalur_router_disposed_total", "Dispositions, by its view", ["unit", "reason", "band", "agreed"], registry=self.registry
        )
        # 1 where an activated rule set cannot be read and the old one stays in force.
        self.rules_refused = Gauge("jalur_router_rules_refused", "An activated rule set cannot be read", registry=self.registry)
        # How far the last day's mix of destinations lies from that of the four weeks before (population stability index, less what
        # chance makes of it). Alarm above 0.25; NaN while there are fewer than 100 and 500 decisions to compare.
        self.mix_drift = Gauge("jalur_router_mix_drift", "Drift of the mix of units against its baseline", registry=self.registry)
        self.mix_drift.set(float("nan"))


class NotifierMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.outbox = OutboxMetrics(self.registry, "notifier")
        self.consumer = ConsumerMetrics(self.registry, "notifier")
        # Cases by what decision 0, part 0 made of them; `undecided` returns to zero.
        self.cases = Gauge("jalur_notifier_cases", "Cases by the outcome of their first decision", ["outcome"], registry=self.registry)
        # Clock levels fired, by kind.
        self.fired = Counter("jalur_notifier_fired_total", "Clock levels fired", ["kind"], registry=self.registry)
        # Firings that proved wrong afterwards.
        self.rescinded = Counter("jalur_notifier_rescinded_total", "Firings taken back", registry=self.registry)
        # How long after its instant a level fired.
        self.lateness = Histogram("jalur_notifier_lateness_seconds", "Firing minus due instant", buckets=_LATENESS, registry=self.registry)
        # Clocks whose next level's instant has passed and that have not fired.
        self.due_backlog = Gauge("jalur_notifier_due_backlog_clocks", "Clocks due and not fired", registry=self.registry)
        # How long the oldest of them has waited.
        self.oldest_due = Gauge("jalur_notifier_oldest_due_age_seconds", "Age of the oldest unfired due instant", registry=self.registry)
        # Jalur's now minus the watermark: what deadlines lag behind the wall.
        self.watermark_age = Gauge("jalur_notifier_watermark_age_seconds", "Now minus the sweep's watermark", registry=self.registry)
        # Updates and changes that their case cannot take yet.
        self.parked = Gauge("jalur_notifier_parked_records", "Updates and changes parked", registry=self.registry)
        # Open cases that no clock will speak of, or that nobody has; `jalur cases reconcile` lists them.
        self.orphaned = Gauge(
            "jalur_notifier_orphaned_cases", "Open cases without a live clock or an owner", ["reason"], registry=self.registry
        )
        # Updates refused after their time, told to their unit.
        self.refused = Counter("jalur_notifier_refused_updates_total", "Updates refused", registry=self.registry)


def exposition(registry: CollectorRegistry) -> bytes:
    return generate_latest(registry)
