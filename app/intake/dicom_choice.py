"""Which series of a study are used: those that were guessed, or those that a person names instead."""

from collections.abc import Mapping, Sequence

from model.errors import CaseError
from model.io.dicom.series import Series
from model.io.modalities import MODALITIES, MOST_MISSING, TITLES, require_modalities
from model.io.sequence_choice import Choice


def chosen_series(
    series: Sequence[Series],
    choice: Choice,
    wanted: Mapping[str, str] | None = None,
    most_missing: int = MOST_MISSING,
) -> dict[str, Series]:
    """Return the series to be used, by sequence, in the order of MODALITIES.

    wanted : by sequence the key of a series, "" for none; what it does not name stays as it was guessed, unless its
        series is wanted for another sequence

    Raises CaseError: `unknown_series` for a key that the study does not have, `duplicate_modality` for one series in two
    places, `dicom_series` for one that is no volume, `missing_modality` where more than `most_missing` are left without.
    """
    wanted = wanted or {}
    by_key = {one.key: one for one in series}
    named = [key for key in wanted.values() if key]
    for key in named:
        _check(key, by_key)
    if len(set(named)) < len(named):
        raise CaseError(
            "duplicate_modality",
            "One series was chosen for two sequences.",
            "Choose another series for one of them.",
        )
    found = {}
    for modality in MODALITIES:
        guessed = choice.chosen.get(modality)
        if modality in wanted:
            one = by_key.get(wanted[modality])
        else:
            one = None if guessed is None or guessed.key in named else guessed
        if one is not None:
            found[modality] = one
    require_modalities(found, most_missing)
    return found


def missing_text(choice: Choice) -> str:
    """Return which sequences no series was taken for, for people, "" if none is missing."""
    missing = [TITLES[modality] for modality in MODALITIES if modality not in choice.chosen]
    return f"No series was recognised as {', '.join(missing)}." if missing else ""


def _check(key: str, by_key: Mapping[str, Series]) -> None:
    if key not in by_key:
        raise CaseError(
            "unknown_series",
            "The study has no series of that key.",
            "Take the key from the table of its series.",
        )
    one = by_key[key]
    if one.grid is None or one.problems:
        raise CaseError(
            "dicom_series",
            f"{one.name} cannot be used. {' '.join(reason.text for reason in one.problems)}",
            "Choose another series.",
            one.name,
        )
