"""Preparing a case anew: what the form asks for, and putting the case back into the queue."""

from pathlib import Path
from typing import get_args

from flask import current_app, request

from app.errors import BadRequest
from app.jobs import case_queue
from app.jobs.queue_runner import queue_runner
from app.store.models import StoredCase
from model.preparation.plan import Mode, Options
from model.preparation.registration import Start


def wanted_options(case: StoredCase) -> Options:
    """Return the options of the form; those that are left out stay. Raises BadRequest."""
    found = {}
    for name, known in (("mode", get_args(Mode)), ("start", get_args(Start))):
        part = "prepare" if name == "mode" else name
        found[name] = request.form.get(part) or getattr(case.options, name)
        if found[name] not in known:
            raise BadRequest(f"{part} is one of {', '.join(known)}.", code="bad_parameter")
    return Options(**found)


def queue_anew(case: StoredCase, options: Options, brain: Path | None = None) -> None:
    """Queue a case that has ended again; see `case_queue.queue_again`, also for errors.

    brain : a brain mask that a person has drawn; it replaces an earlier one, and None removes that
    """
    drawn = case.folder.drawn_brain

    def change() -> None:
        if brain:
            brain.replace(drawn)
        else:
            drawn.unlink(missing_ok=True)

    case_queue.queue_again(case, options, change)
    queue_runner(current_app).notify()
