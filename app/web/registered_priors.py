"""Pairs of an earlier and a later case that a request names."""

from flask import g, url_for

from app.errors import BadRequest, NotFound
from app.reporting import patient_schemas as schemas
from app.store import cases, pairs
from app.store.models import StoredCase
from app.store.pairs import Pair
from app.web import quotas
from model.io.modalities import MODALITIES


def wanted_pair(case_id: str, prior_id: str) -> tuple[StoredCase, StoredCase]:
    """Return the later and the earlier case. Raises BadRequest, NotFound or NotReady."""
    g.case_id, g.with_case_id = case_id[:64], prior_id[:64]
    if case_id == prior_id:
        raise BadRequest("Two cases are compared.", "Choose two in the worklist.", "two_cases")
    now, prior = cases.find(case_id), cases.find(prior_id)
    now.results(), prior.results()
    return now, prior


def made(now: StoredCase, prior: StoredCase) -> Pair:
    """Return a pair, registered now unless it was before; for errors see `pairs.make`, besides DiskFull."""
    found = pairs.find(now, prior)
    if found is None:
        quotas.reserve_disk((len(prior.modalities) + 1) * now.results().labels().size)
        found = pairs.make(now, prior)
    return found


def kept(now: StoredCase, prior: StoredCase) -> Pair:
    """Return a pair that was registered. Raises NotFound for others."""
    found = pairs.find(now, prior)
    if found is None:
        raise NotFound(
            "The earlier case is not registered to the later one.",
            "POST to the address of the pair does that.",
            "not_registered",
        )
    return found


def sequences(now: StoredCase, prior: StoredCase) -> list[str]:
    """Return the sequences that both cases have."""
    return [m for m in MODALITIES if m in now.modalities and m in prior.modalities]


def answer(now: StoredCase, prior: StoredCase, pair: Pair) -> schemas.RegisteredPrior:
    """Return what is known of a pair."""
    return schemas.RegisteredPrior(
        now=now.id,
        prior=prior.id,
        registered=pair.found.registered,
        subtraction=pair.found.subtraction,
        sequences=sequences(now, prior),
        pictures=url_for("priors.get_prior", case_id=now.id, prior_id=prior.id),
    )
