"""Metrics for Prometheus, one registry per app.

States of cases are counted in the database when they are asked for, so that every web process says the
same. Events are counted in their process: uploads in web processes, attempts where cases are run.
Several web processes of one machine add up theirs through PROMETHEUS_MULTIPROC_DIR.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from flask import Flask
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.analysis.record import CaseRecord
from app.jobs import heartbeat
from app.store.models import STATES, StoredCase, db

SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 600)
WAIT_SECONDS = (*SECONDS, 1800, 3600, 4 * 3600, 24 * 3600)


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
            ["engine", "device"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.wait = Histogram(
            "bts_case_wait_seconds",
            "Seconds from the upload of a case to the start of the run that was done.",
            buckets=WAIT_SECONDS,
            registry=self.registry,
        )
        self.stages = Histogram(
            "bts_stage_seconds",
            "Seconds of each stage of a case.",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.refused = Counter(
            "bts_uploads_refused",
            "Uploads refused, by error code.",
            ["code"],
            registry=self.registry,
        )


class _Database(Collector):
    """Counts rows when it is asked; needs an app context."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        there = StoredCase.deleted_at.is_(None)
        counted = sa.select(StoredCase.state, sa.func.count()).where(there)
        counts = dict(db.session.execute(counted.group_by(StoredCase.state)).tuples().all())
        family = GaugeMetricFamily("bts_cases", "Cases by state.", labels=["state"])
        for state in STATES:
            family.add_metric([state], counts.get(state, 0))
        yield family
        oldest = sa.select(sa.func.min(StoredCase.created_at)).where(StoredCase.state == "queued")
        since = db.session.scalar(oldest.where(there))
        waited_s = (datetime.now(UTC) - since).total_seconds() if since else 0
        yield GaugeMetricFamily(
            "bts_oldest_queued_seconds", "Seconds that the oldest case has waited.", waited_s
        )
        family = GaugeMetricFamily("bts_workers", "Workers by device.", labels=["engine", "device"])
        kinds = [(worker.engine, worker.device) for worker in heartbeat.live_workers()]
        for kind in sorted(set(kinds)):
            family.add_metric(kind, kinds.count(kind))
        yield family


def init_app(app: Flask) -> None:
    app.extensions["metrics"] = Metrics()


def case_ended(app: Flask, outcome: str) -> None:
    """Count a run of a case."""
    app.extensions["metrics"].ended.labels(outcome.replace(" ", "_")).inc()


def case_done(app: Flask, case: StoredCase, record: CaseRecord, seconds: float) -> None:
    """Count the times of a case that is done.

    case : as it was when the attempt began
    """
    metrics: Metrics = app.extensions["metrics"]
    provenance = record.provenance
    metrics.seconds.labels(provenance.engine, provenance.device).observe(seconds)
    metrics.wait.observe((case.started_at - case.created_at).total_seconds())
    for stage, stage_s in record.timings_s.items():
        metrics.stages.labels(stage).observe(stage_s)


def upload_refused(app: Flask, code: str) -> None:
    """Count an upload that was answered with an error."""
    app.extensions["metrics"].refused.labels(code).inc()


def registry(app: Flask) -> CollectorRegistry:
    """Return the counters of this process, and of others that share PROMETHEUS_MULTIPROC_DIR."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return app.extensions["metrics"].registry
    shared = CollectorRegistry()
    MultiProcessCollector(shared)
    return shared


def as_text(app: Flask) -> bytes:
    """Return all numbers in Prometheus' text format. Needs an app context."""
    found = CollectorRegistry()
    found.register(_Database())
    return generate_latest(registry(app)) + generate_latest(found)
