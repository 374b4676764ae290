"""The label table: regions, their values in files, and their colours.

Values follow BraTS 2021 (Baid et al., arXiv:2107.02314) or BraTS 2023, where enhancing tumour is 3.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Convention = Literal["brats2021", "brats2023"]


@dataclass(frozen=True)
class Region:
    """One class of the network; index 0 is background and has no entry."""

    index: int
    key: str
    title: str
    short: str
    value_2021: int
    value_2023: int
    colour: str


REGIONS = (
    Region(1, "core", "Necrotic / non-enhancing core", "NCR", 1, 1, "#D55E00"),
    Region(2, "edema", "Peritumoral edema", "ED", 2, 2, "#009E73"),
    Region(3, "enhancing", "Enhancing tumour", "ET", 4, 3, "#F0E442"),
)
CLASSES = len(REGIONS) + 1
CORE, EDEMA, ENHANCING = (region.index for region in REGIONS)

# Unions of regions that the BraTS challenge scores.
DERIVED = {"tumor_core": (CORE, ENHANCING), "whole_tumor": (CORE, EDEMA, ENHANCING)}
DERIVED_TITLES = {"tumor_core": "Tumour core", "whole_tumor": "Whole tumour"}


def to_file_values(labels: np.ndarray, convention: Convention = "brats2021") -> np.ndarray:
    """Return network indices as the values written to files, uint8, same shape."""
    table = np.zeros(CLASSES, np.uint8)
    for region in REGIONS:
        table[region.index] = region.value_2021 if convention == "brats2021" else region.value_2023
    return table[labels]


def from_file_values(values: np.ndarray) -> np.ndarray:
    """Return network indices, uint8, from label values of either convention.

    3 and 4 both mean enhancing tumour; BraTS 2012-2015 files, where 3 is non-enhancing core and
    stands beside 4, are recognised by holding both. Raises ValueError for any other value.
    """
    labels = np.rint(np.asarray(values)).astype(np.int16)
    present = set(np.unique(labels).tolist())
    if not present <= {0, 1, 2, 3, 4}:
        raise ValueError(f"label values are {sorted(present)}, expected 0 to 4")
    three = CORE if {3, 4} <= present else ENHANCING
    return np.array([0, CORE, EDEMA, three, ENHANCING], np.uint8)[labels]
