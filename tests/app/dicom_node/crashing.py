"""Kills processes at chosen places between the first object of a study and the archive's answer.

Run as a program: `... SAVED STUDY BASE PORT`. For each place a child receives the objects in the folder STUDY,
makes a case of them, works on it and sends results to the archive at PORT, in the data folder BASE/<number>, until
SIGKILL ends it there. SAVED is a pickled analysis that stands for the pipeline, with the model's card.
"""

import pickle
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
from flask import Flask

from app import create_app
from app.analysis import pipeline
from app.dicom_node import intake, sender
from app.dicom_node import spool as spool_module
from app.dicom_node.spool import Spool
from app.jobs.queue_runner import queue_runner
from app.reporting import dicom_results  # noqa: F401 (imported once, not by each child)
from app.store import cases, deliveries
from app.store.data_folder import INCOMING
from app.store.models import db
from tests.app.jobs.crashing import (
    _in_child,
    after,
    die,
    die_at_second,
    stub,
    stub_model,
    then_die,
)


def half_removed(spool: Spool, name: str) -> None:
    next(spool.path(name).iterdir()).unlink()
    die()


# Where it ends: object, name and replacement of what is changed for it.
PLACES: dict[str, tuple[Any, str, Callable]] = {
    "receive: written": (Spool, "add", die),
    "receive: folder made": (spool_module, "_flush", die),
    "receive: not confirmed": (spool_module, "_flush", die_at_second(spool_module._flush)),
    "receive: half": (Spool, "add", die_at_second(Spool.add)),
    "case: begun": (intake.study_case, "examine", die),
    "case: scans written": (cases, "keep", die),
    "case: scans moved": (db.session, "commit", die),
    "case: kept": (cases, "keep", partial(then_die, cases.keep)),
    "case: half removed": (Spool, "remove", half_removed),
    "send: taken": (deliveries, "take_due", partial(then_die, deliveries.take_due)),
    "send: half": (sender, "store", lambda made, *rest: then_die(sent, made[:1], *rest)),
    "send: given": (sender, "store", after(sender.store)),
}
sent = sender.store


def app_of(data_dir: Path, port: int, card: Any) -> Flask:
    """Return an app with an archive at a port of this machine."""
    target = f"ARCHIVE@127.0.0.1:{port}"
    app = create_app({"data_dir": data_dir, "dicom_send_to": target}, serve=False)
    app.extensions["model"] = stub_model(card)
    return app


def receive(spool: Spool, folder: Path) -> None:
    """Put the objects of a folder into a spool, as the receiver does."""
    for path in sorted(folder.iterdir()):
        found = pydicom.dcmread(path, stop_before_pixels=True)
        content = path.read_bytes()
        with spool.partial(lambda file, content=content: file.write(content)) as partial_path:
            spool.add(partial_path, found.StudyInstanceUID, found.SOPInstanceUID)


def work(app: Flask, spool: Spool) -> None:
    """Make cases of what is complete, run them, and send results."""
    spool_module.QUIET_S = 0.0
    with app.app_context():
        for name in spool.complete():
            intake.take_in(spool, name)
        while queue_runner(app).run_next():
            pass
        while sender.send_next():
            pass


def _crash(place: str, data_dir: Path, study: Path, port: int, analysis: Any, card: Any) -> None:
    app = app_of(data_dir, port, card)
    pipeline.analyse = stub(analysis)
    spool = Spool(data_dir / INCOMING)
    setattr(*PLACES[place])
    receive(spool, study)
    work(app, spool)


def _main(saved: str, study: str, base: str, port: str) -> None:
    made = pickle.loads(Path(saved).read_bytes())
    for number, place in enumerate(PLACES):
        data_dir = Path(base, str(number))
        if _in_child(_crash, place, data_dir, Path(study), int(port), *made) != -signal.SIGKILL:
            sys.exit(f"{place}: not killed")


if __name__ == "__main__":
    _main(*sys.argv[1:])
