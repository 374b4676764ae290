"""Sequences by their physics: protocols of scanners, and what is none of the four."""

import pytest

from model.io.dicom.headers import Scan
from model.io.sequence_physics import SURE, guess

SE, IR, GR = ("SE",), ("SE", "IR"), ("GR",)
PROTOCOLS = [
    # TR, TE, TI in ms, flip angle, sequence, variant: what it is
    (9000, 125, 2500, 150, IR, (), "flair"),
    (5000, 387, 1800, 120, IR, (), "flair"),
    (4800, 340, 1650, 90, ("IR",), (), "flair"),
    (9500, 124, 2250, 160, (), (), "flair"),
    (4000, 194.4, 1400, 90, IR, (), "flair"),
    (11000, 140, None, 90, IR, (), "flair"),
    (500, 12, None, 90, SE, (), "t1"),
    (620, 9, None, 150, SE, (), "t1"),
    (700, 20, None, 120, SE, (), "t1"),
    (2300, 2.98, 900, 9, ("GR", "IR"), (), "t1"),
    (8.2, 3.2, 450, 12, GR, ("SS", "SP", "SK"), "t1"),
    (6.8, 3.1, None, 8, GR, ("MP",), "t1"),
    (250, 2.5, None, 70, GR, ("SP",), "t1"),
    (2000, 10, 850, 90, IR, (), "t1"),
    (1500, 5.6, 300, 90, IR, (), "t1"),
    (7, 2.4, None, 12, (), (), "t1"),
    (6000, 99, None, 150, SE, (), "t2"),
    (3200, 408, None, 120, SE, (), "t2"),
    (3000, 80, None, 90, SE, (), "t2"),
    (4500, 102, None, 90, (), (), "t2"),
    (4000, 60, 160, 90, IR, (), "fat_nulled"),
    (4000, 12, None, 90, SE, (), "proton_density"),
    (600, 20, None, 20, GR, ("SP",), "susceptibility"),
    (6, 2.5, None, 45, GR, ("SS",), "balanced"),
]


@pytest.mark.parametrize(("tr", "te", "ti", "flip", "sequence", "variant", "wanted"), PROTOCOLS)
def test_protocols(tr, te, ti, flip, sequence, variant, wanted):
    found = guess(Scan(tr, te, ti, flip, sequence, variant))
    assert (found.modality or found.kind) == wanted


@pytest.mark.parametrize(
    ("contrast", "wanted"),
    [("FLUID_ATTENUATED", "flair"), ("T1", "t1"), ("T2", "t2"), ("DIFFUSION", "diffusion")],
)
def test_enhanced_files_say_what_they_are(contrast, wanted):
    found = guess(Scan(contrast=contrast))
    assert (found.modality or found.kind) == wanted and found.confidence == SURE


def test_empty_headers_say_nothing():
    for scan in (Scan(), Scan(tr_ms=3000), Scan(contrast="UNKNOWN"), Scan(tr_ms=2500, te_ms=50)):
        found = guess(scan)
        assert found.confidence <= 0.5


def test_time_of_flight_is_not_taken_for_sure():
    assert guess(Scan(24, 3.4, None, 18, GR, ("SP",))).confidence < SURE
