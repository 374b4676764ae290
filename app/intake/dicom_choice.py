"""Which series of a study are used: those that were guessed, or those that a person names instead."""

from collections.abc import Mapping, Sequence

from model.errors import CaseError
from model.io.dicom.series import Series
from model.io.modalities import MODALITIES, MOST_MISSING, TITLES, missing_modalities
from model.io.sequence_choice import Choice

# Series that an error tells about one by one.
NAMED = 3


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
    missing = missing_modalities(found)
    if len(missing) > most_missing:
        raise _too_few(missing, choice, [one for one in series if one not in found.values()])
    return found


def _too_few(missing: Sequence[str], choice: Choice, others: Sequence[Series]) -> CaseError:
    """Return the error of a study in which sequences are missing, with what is wrong with series that might be them."""
    wrong = [one for one in others if one.problems and not one.left_out]
    wrong += [one for one in others if choice.left_out[one.key] and one not in wrong]
    texts = [f"{one.name}: {choice.left_out[one.key][0].text}" for one in wrong[:NAMED]]
    titles = ", ".join(TITLES[modality] for modality in missing)
    least = len(MODALITIES) - MOST_MISSING
    return CaseError(
        "missing_modality",
        " ".join([f"No series was recognised as {titles}.", *texts]),
        f"At least {least} of FLAIR, T1, T1ce and T2 are needed. Send the whole study, or choose the series "
        "yourself: on the page, or with confirm=1.",
    )


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
