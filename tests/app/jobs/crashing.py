"""Kills processes at chosen places between an upload and its results.

Run as a program, with a pickled analysis that stands for the pipeline:

`... ANALYSIS BASE`: for each place a child takes in a case and works on it, in the data folder
BASE/<number>, until SIGKILL ends it there.
`... ANALYSIS DATA_DIR CASE HOW`: children work through the queue of a data folder; CASE kills them
(`die`) or keeps them for ever (`hang`). Prints their exit codes.
"""

import io
import os
import pickle
import re
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from app import create_app
from app.analysis import pipeline
from app.jobs import case_queue
from app.jobs.queue_runner import queue_runner
from app.store import cases, mask_versions, results
from app.store.models import db
from app.store.results import CaseFolder
from app.web import uploads
from model.io.nifti import encode
from tests.app.web.hazards import four, send


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(*_: Any, **__: Any) -> None:
    """Do nothing for ever, and let no other thread do anything."""
    re.match(r"(a+)+$", "a" * 99 + "b")


def then_die(function: Callable, *args: Any, **values: Any) -> None:
    function(*args, **values)
    die()


def after(method: Callable) -> Callable:
    """Return a method that does what `method` does, and then ends the process."""
    return lambda *args, **values: then_die(method, *args, **values)


def die_at_second(function: Callable) -> Callable:
    """Return a function that works once."""
    calls = []

    def call(*args: Any) -> Any:
        calls.append(args)
        return die() if len(calls) == 2 else function(*args)

    return call


def half_a_mask(path: Path, *_: Any) -> None:
    path.with_name(path.name + ".partial").write_bytes(b"half")
    die()


def half_the_volumes(folder: Path, *_: Any) -> None:
    (folder / "flair.npy").write_bytes(b"half")
    die()


def die_in_a_batch(*_: Any, progress: Callable, **__: Any) -> None:
    progress("inference", 0.5)
    die()


# Where it ends: object, name and replacement of what is changed for it.
PLACES: dict[str, tuple[Any, str, Callable]] = {
    "upload: staged": (uploads, "assign", die),
    "upload: half moved": (Path, "replace", die_at_second(Path.replace)),
    "upload: moved": (db.session, "commit", die),
    "upload: kept": (cases, "keep", partial(then_die, cases.keep)),
    "run: taken": (pipeline, "analyse", die),
    "run: in a batch": (pipeline, "analyse", die_in_a_batch),
    "run: writing the mask": (results, "write_mask", half_a_mask),
    "run: writing volumes": (results, "_save", half_the_volumes),
    "run: moving results": (CaseFolder, "publish", die),
    "run: results moved": (CaseFolder, "publish", after(CaseFolder.publish)),
    "run: written down": (case_queue, "finish", partial(then_die, case_queue.finish)),
    "correction: moved": (mask_versions, "_append", die),
}


def stub(analysis: Any) -> Callable:
    """Return what stands for the pipeline: it knows its result."""

    def analyse(*_: Any, progress: Callable, **__: Any) -> Any:
        progress("load", 0.0)
        progress("inference", 0.5)
        return analysis

    return analyse


def correct(client: FlaskClient, url: str, analysis: Any) -> Any:
    """Post a mask in which all of the tumour is edema."""
    values = np.uint8(2) * (analysis.segmentation.labels > 0)
    file = FileStorage(io.BytesIO(encode(values, analysis.segmentation.affine)), "mask.nii")
    boundary, data = encode_multipart(MultiDict({"mask": file}))
    return client.post(
        f"{url}/masks", data=data, content_type=f"multipart/form-data; boundary={boundary}"
    )


def stub_model(card: Any) -> SimpleNamespace:
    """Return what stands for the model holder."""
    segmenter = SimpleNamespace(card=card)
    return SimpleNamespace(get=lambda: segmenter, loaded=segmenter)


def _app(data_dir: Path, card: Any) -> Flask:
    app = create_app({"data_dir": data_dir}, serve=False)
    app.extensions["model"] = stub_model(card)
    return app


def _crash(place: str, data_dir: Path, analysis: Any, card: Any) -> None:
    """Take in a case and work on it, up to a place."""
    app = _app(data_dir, card)
    pipeline.analyse = stub(analysis)
    setattr(*PLACES[place])
    client = app.test_client()
    url = send(client, four()).json["url"]
    with app.app_context():
        queue_runner(app).run_next()
    correct(client, url, analysis)


def _run_poisoned(poison: str, end: Callable, data_dir: Path, analysis: Any, card: Any) -> None:
    """Work through the queue of a data folder in which one case kills."""
    load = pipeline.load

    def poisoned(scans: Any, **rest: Any) -> Any:
        return end() if poison in str(scans) else load(scans, **rest)

    pipeline.load, pipeline.analyse = poisoned, stub(analysis)
    worker = queue_runner(_app(data_dir, card))
    while worker._poll():
        pass


def _in_child(function: Callable, *args: Any) -> int:
    """Run a function in a process of its own; return its exit code."""
    child = os.fork()
    if not child:
        function(*args)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _main(saved: str, data: str, poison: str = "", how: str = "") -> None:
    analysis = pickle.loads(Path(saved).read_bytes())
    if poison:
        for _ in range(case_queue.MAX_ATTEMPTS + 1):
            end = {"die": die, "hang": hang}[how]
            print(_in_child(_run_poisoned, poison, end, Path(data), *analysis), flush=True)
        return
    for number, place in enumerate(PLACES):
        if _in_child(_crash, place, Path(data, str(number)), *analysis) != -signal.SIGKILL:
            sys.exit(f"{place}: not killed")


if __name__ == "__main__":
    _main(*sys.argv[1:])
