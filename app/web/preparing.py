"""Preparing a case anew: what the form asks for, and putting the case back into the queue."""

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


def queue_anew(case: StoredCase, options: Options, keep_brain: bool = False) -> None:
    """Queue a case that has ended again. Raises NotReady or CaseError; see `case_queue.queue_again`."""
    drawn = case.folder.drawn_brain
    case_queue.queue_again(case, options)
    if not keep_brain:
        drawn.unlink(missing_ok=True)
    queue_runner(current_app).notify()
