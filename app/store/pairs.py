"""An earlier case on the grid of a later one: made once, and kept in the folder of the later one."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from pydantic import TypeAdapter

from app.analysis.pairs import Finished, on_current, register_pair
from app.analysis.subtraction import Subtraction, subtract
from app.errors import Busy, NotFound
from app.memory import MOST_WAIT_S, room
from app.store.data_folder import new_staging_folder
from app.store.models import StoredCase, db
from app.store.results import Results, write_registered
from model.geometry import labels_to_grid, spacing_mm
from model.io.modalities import MODALITIES
from model.preparation.record import Registered

# For a voxel of both cases while they are registered and resampled, measured.
BYTES_A_VOXEL = 16
# One at a time: each takes all cores.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Found:
    """What is kept of a pair beside the images.

    now_made, prior_made : when the results were made ; now_mask, prior_mask : numbers of the masks
    """

    now_made: float
    prior_made: float
    now_mask: int
    prior_mask: int
    registered: Registered
    subtraction: Subtraction


@dataclass(frozen=True)
class Pair:
    """An earlier case on the grid of a later one, to be looked at."""

    results: Results
    found: Found

    @property
    def stamp(self) -> str:
        """A text that differs whenever a picture of the pair would."""
        found = self.found
        made = f"{found.now_made:.0f}-{found.prior_made:.0f}"
        return f"{made}-{found.now_mask}-{found.prior_mask}"


_FOUND = TypeAdapter(Found)


def find(now: StoredCase, prior: StoredCase) -> Pair | None:
    """Return a pair of finished cases; None where it was not made, or one of the masks has changed since."""
    known = _kept(now, prior)
    if known is None or (known.now_mask, known.prior_mask) != (now.mask.number, prior.mask.number):
        return None
    return Pair(Results(now.folder.registered.path(prior.id)), known)


def make(now: StoredCase, prior: StoredCase) -> Pair:
    """Register a finished case to a later one and keep the result, unless that is done already.

    Raises CaseError `registration_failed`, NotReady, NotFound for cases of versions that kept no brain, and Busy.
    """
    sizes = [case.results().labels().size for case in (now, prior)]
    with _turn(), room().taken(BYTES_A_VOXEL * sum(sizes)):
        if known := find(now, prior):
            return known
        work = new_staging_folder()
        try:
            found = _write(now, prior, work)
            now.folder.registered.publish(work, prior.id, asdict(found))
        except FileNotFoundError as error:
            raise _gone() from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
    # Whoever deletes a case looks for it in other folders once its row is gone.
    ids = (now.id, prior.id)
    db.session.rollback()
    if db.session.scalar(sa.select(sa.func.count()).where(StoredCase.id.in_(ids))) < len(ids):
        now.folder.registered.drop(prior.id)
        raise _gone()
    return find(now, prior)


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for the others. Raises Busy where that takes too long."""
    if not _one_at_a_time.acquire(timeout=MOST_WAIT_S):
        raise Busy
    try:
        yield
    finally:
        _one_at_a_time.release()


def _write(now: StoredCase, prior: StoredCase, work: Path) -> Found:
    """Write the pair into an empty folder; return what was found of it."""
    known = _kept(now, prior)
    moved = known.registered if known else register_pair(_finished(now), _finished(prior))
    grids = [np.array(case.record.geometry.canonical_affine) for case in (now, prior)]
    labels = now.results().labels()
    target = np.array(moved.matrix) @ grids[0]
    before = labels_to_grid(np.array(prior.results().labels()), grids[1], labels.shape, target)

    def sequences() -> Iterator[tuple[str, np.ndarray]]:
        for modality in MODALITIES:
            if modality in prior.modalities:
                array = prior.results().display(modality)
                yield modality, on_current(array, grids[1], labels.shape, target)

    found = Found(
        _made(now),
        _made(prior),
        now.mask.number,
        prior.mask.number,
        moved,
        subtract(before, labels, grids[0]),
    )
    write_registered(work, sequences(), before, spacing_mm(grids[0]))
    return found


def _finished(case: StoredCase) -> Finished:
    """Return what of a case is registered: the reference as it is shown."""
    results, record = case.results(), case.record
    brain = results.brain()
    if brain is None or record.preparation is None:
        raise NotFound(
            "The brain mask of a case was not kept.",
            "It was segmented by an earlier version; upload it again.",
            "no_brain_mask",
        )
    scan = results.display(record.preparation.reference)
    affine = np.array(record.geometry.canonical_affine)
    return Finished(scan, np.asarray(brain) > 0, affine)


def _kept(now: StoredCase, prior: StoredCase) -> Found | None:
    """Return what is kept of a pair of results, whichever masks count now."""
    now.results(), prior.results()
    fields: dict[str, Any] | None = now.folder.registered.pair(prior.id)
    found = fields and _FOUND.validate_python(fields)
    same = found and (found.now_made, found.prior_made) == (_made(now), _made(prior))
    return found if same else None


def _made(case: StoredCase) -> float:
    return case.finished_at.timestamp()


def _gone() -> NotFound:
    return NotFound("There is no such case.", "It may have been deleted.")
