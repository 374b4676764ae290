"""Numbers for Prometheus, one registry per app."""

from collections.abc import Iterator

import sqlalchemy as sa
from flask import Flask
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.cases import STATES, StoredCase, db

SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 600)


class Metrics:
    """The counters of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ended = Counter(
            "bts_cases_ended", "Runs of cases by outcome.", ["outcome"], registry=self.registry
        )
        self.seconds = Histogram(
            "bts_case_seconds",
            "Seconds from taking a case out of the queue to its results.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.refused = Counter(
            "bts_uploads_refused",
            "Uploads refused, by error code.",
            ["code"],
            registry=self.registry,
        )
        self.registry.register(_CasesByState())


class _CasesByState(Collector):
    """Counts the rows when it is asked; needs an app context."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("bts_cases", "Cases by state.", labels=["state"])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        counted = sa.select(StoredCase.state, sa.func.count()).group_by(StoredCase.state)
        counts = dict(db.session.execute(counted).tuples().all())
        family = GaugeMetricFamily("bts_cases", "Cases by state.", labels=["state"])
        for state in STATES:
            family.add_metric([state], counts.get(state, 0))
        yield family


def init_app(app: Flask) -> None:
    app.extensions["metrics"] = Metrics()


def case_ended(app: Flask, outcome: str, seconds: float) -> None:
    """Count a run of a case; only finished ones enter the histogram of times."""
    metrics: Metrics = app.extensions["metrics"]
    metrics.ended.labels(outcome.replace(" ", "_")).inc()
    if outcome == "done":
        metrics.seconds.observe(seconds)


def upload_refused(app: Flask, code: str) -> None:
    """Count an upload that was answered with an error."""
    app.extensions["metrics"].refused.labels(code).inc()


def as_text(app: Flask) -> bytes:
    """Return all numbers in Prometheus' text format."""
    return generate_latest(app.extensions["metrics"].registry)
