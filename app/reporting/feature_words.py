"""Features after VASARI in words, each with its definition, the same in all reports.

Only Latin-1 letters, which the PDF's fonts are limited to.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.analysis.features import MIDLINE_MM, SOLID_SHARE, THICK_MM, Features, Margin, Proportion
from app.analysis.lesions import MIN_LESION_ML

SOURCE = "VASARI: numbers of the features in the VASARI Research Project (TCIA); counted here from the mask."
BINS = {
    "none": "none",
    "up_to_5": "up to 5 %",
    "6_to_33": "6 to 33 %",
    "34_to_67": "34 to 67 %",
    "68_to_95": "68 to 95 %",
    "above_95": "more than 95 %",
    "all": "all",
}
MARGINS = {"thin": "Thin", "thick": "Thick", "solid": "Solid"}
_SHARE = "Share of the whole tumour's volume, with its class in VASARI."
_CORE = "As F5. Masks do not tell necrosis from tumour that does not enhance."
_FOCI = (
    f"Separate parts with {MIN_LESION_ML:g} mL or more of tumour core; two or more are multifocal."
)
_SATELLITES = f"Other parts with {MIN_LESION_ML:g} mL or more enhancing in the same whole tumour."
_EPICENTRE = f"Of the largest part of tumour core; centre: within {MIDLINE_MM:g} mm of the midline."
_MARGIN = f"Thick: over half is {THICK_MM:g} mm or more. Solid: under {100 * SOLID_SHARE:g} % of tumour core does not enhance."
_ASTRIDE = f"One connected part has {MIN_LESION_ML:g} mL or more beyond {MIDLINE_MM:g} mm on either side of the midline."


@dataclass(frozen=True)
class FeatureRow:
    """One feature: its numbers in VASARI, what it is called, what was found, and by which definition."""

    numbers: str
    title: str
    found: str
    definition: str


def feature_rows(features: Features | None) -> list[FeatureRow]:
    """Return a row for each feature, none without features."""
    return list(_rows(features)) if features else []


def _rows(features: Features) -> Iterator[FeatureRow]:
    shares, crossing = features.proportions, features.crosses_midline
    if features.epicentre:
        yield FeatureRow("F2", "Epicentre", features.epicentre.capitalize(), _EPICENTRE)
    yield FeatureRow("F5", "Proportion enhancing", _share(shares.enhancing), _SHARE)
    yield FeatureRow("F6, F7", "Proportion core", _share(shares.core), _CORE)
    yield FeatureRow("F14", "Proportion edema", _share(shares.edema), _SHARE)
    yield FeatureRow("F9", "Foci", _foci(features), _FOCI)
    yield FeatureRow("F24", "Satellites", str(features.satellites), _SATELLITES)
    yield FeatureRow("F11", "Enhancing margin", _margin(features.margin), _MARGIN)
    if crossing:
        yield FeatureRow("F23", "Enhancing crosses midline", _yes(crossing.enhancing), _ASTRIDE)
        yield FeatureRow("F15", "Edema crosses midline", _yes(crossing.edema), "As F23.")


def _share(found: Proportion) -> str:
    return f"{found.percent:.1f} % ({BINS[found.bin]})"


def _foci(features: Features) -> str:
    return f"{features.foci}, {features.focality}" if features.focality else "No core marked"


def _margin(margin: Margin | None) -> str:
    if margin is None:
        return "Nothing enhances"
    return f"{MARGINS[margin.kind]} ({margin.thick_percent:.0f} % of it {THICK_MM:g} mm or more)"


def _yes(found: bool) -> str:
    return "Yes" if found else "No"
