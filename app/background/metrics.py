"""Metrics for Prometheus, from its own client, which the extra `metrics` brings along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from app import __version__
from app.background.looks import Look
from app.background.pulse import Pulse
from app.views import Progress, Status

if TYPE_CHECKING:
    from prometheus_client.core import Metric

MISSING = "Metrics need the extra `metrics`: pip install 'keyturn[metrics]'"
_STEP_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_LATE_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 21600, 86400)
_PLACE = ("rotation", "project", "environment", "path")


class Metrics:
    """Counted here, read from any thread. Raises ImportError without the extra."""

    def __init__(self, pulse: Pulse, seen: Callable[[], Look | None]) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, Info

        self.registry = CollectorRegistry(auto_describe=False)
        Info("keyturn_build", "The version that runs.", registry=self.registry).info({"version": __version__})
        self._runs = Counter(
            "keyturn_runs", "Runs that ended, by result: done, failed or postponed.", ["result"], registry=self.registry
        )
        self._steps = Counter(
            "keyturn_attempt_steps", "Steps of attempts, by result.", ["step", "result"], registry=self.registry
        )
        self._durations = Histogram(
            "keyturn_attempt_step_duration_seconds",
            "How long steps of attempts took.",
            ["step"],
            buckets=_STEP_SECONDS,
            registry=self.registry,
        )
        self._late = Histogram(
            "keyturn_run_lateness_seconds",
            "How much later than scheduled runs began.",
            buckets=_LATE_SECONDS,
            registry=self.registry,
        )
        for result in ("done", "failed", "postponed"):
            self._runs.labels(result)
        self.registry.register(_Now(pulse, seen))

    def step(self, progress: Progress) -> None:
        if progress.state != "started":
            self._steps.labels(progress.step, progress.state).inc()
            self._durations.labels(progress.step).observe(progress.ms / 1000)

    def run(self, result: str) -> None:
        self._runs.labels(result).inc()

    def began_late(self, seconds: float) -> None:
        self._late.observe(max(seconds, 0.0))

    def rendered(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their content type, in the format that the reader understands."""
        from prometheus_client.exposition import choose_encoder

        encode, kind = choose_encoder(accept)
        body: bytes = encode(self.registry)
        return body, kind


class _Now:
    """What is not counted but looked at: at every scrape, from the last look at the store."""

    def __init__(self, pulse: Pulse, seen: Callable[[], Look | None]) -> None:
        self._pulse = pulse
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily as Gauge

        yield Gauge("keyturn_loop_heartbeat_age_seconds", "Time since the loop last turned.", self._pulse.age())
        yield Gauge("keyturn_healthy", "1 while the loop turns and the store answers.", int(not self._pulse.illness()))
        if (seen := self._seen()) is None:
            return
        status = Gauge("keyturn_rotations", "Rotations by status.", labels=["status"])
        for one in Status:
            status.add_metric([one.value], seen.counts[one])
        yield status
        yield Gauge(
            "keyturn_rotations_expiring_soon",
            "Rotations whose published credential expires within two weeks, before it is replaced.",
            seen.counts[Status.EXPIRING],
        )
        if (row := seen.next_row) is not None and row.next_at is not None:
            yield Gauge("keyturn_next_run_timestamp_seconds", "When the next run is due.", row.next_at.timestamp())
        yield from self._ages(seen, Gauge)

    def _ages(self, seen: Look, gauge: Any) -> Iterator[Metric]:
        now = seen.snapshot.at
        ages = gauge("keyturn_oldest_credential_age_seconds", "Age of the oldest live credential.", labels=_PLACE)
        for row in seen.snapshot.rows:
            if (issued := seen.oldest.get(row.id)) is not None:
                ages.add_metric([row.name, row.project, row.environment, row.path], (now - issued).total_seconds())
        yield ages


def make_metrics(pulse: Pulse, seen: Callable[[], Look | None]) -> Metrics | None:
    """None without the extra."""
    try:
        return Metrics(pulse, seen)
    except ImportError:
        return None
