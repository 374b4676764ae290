"""How three vendors fill the headers of a brain tumour protocol, and of what else a study has.

Values are typical of product sequences at 3 T.
"""

SEQUENCES = ("flair", "t1", "t1ce", "t2")
# Other series, and the sequence that stands in for their pixels.
OTHERS = {"localiser": "t1", "dwi": "t2", "mip": "t1ce", "mpr": "t1ce", "swi": "t2", "tof": "t1"}
_SECONDARY = ["DERIVED", "SECONDARY"]


def _se(tr, te, ti=None, flip=90, **more):
    found = {"RepetitionTime": tr, "EchoTime": te, "FlipAngle": flip, "MRAcquisitionType": "2D"}
    found |= {"ScanningSequence": ["SE"], "SequenceVariant": ["SK", "SP"]}
    if ti:
        found |= {"InversionTime": ti, "ScanningSequence": ["SE", "IR"]}
    return found | more


def _gr(tr, te, flip, ti=None, **more):
    found = {"RepetitionTime": tr, "EchoTime": te, "FlipAngle": flip, "MRAcquisitionType": "3D"}
    found |= {"ScanningSequence": ["GR"], "SequenceVariant": ["SP", "MP"]}
    if ti:
        found |= {"InversionTime": ti, "ScanningSequence": ["GR", "IR"]}
    return found | more


_SIEMENS = {
    "Manufacturer": "SIEMENS",
    "ManufacturerModelName": "Skyra",
    "MagneticFieldStrength": "3",
}
_GE = {"Manufacturer": "GE MEDICAL SYSTEMS", "ManufacturerModelName": "DISCOVERY MR750", "MagneticFieldStrength": "3"}  # fmt: skip
_PHILIPS = {"Manufacturer": "Philips Medical Systems", "ManufacturerModelName": "Ingenia", "MagneticFieldStrength": "3"}  # fmt: skip


def _series(vendor, description, image_type, physics):
    return vendor | {"SeriesDescription": description, "ImageType": image_type} | physics


_AGENT = {"ContrastBolusAgent": "Gadovist"}
_ORIGINAL = ["ORIGINAL", "PRIMARY"]
VENDORS = {
    "siemens": [
        ("localiser", _series(_SIEMENS, "localizer", [*_ORIGINAL, "M", "NORM", "LOCALIZER"], _gr(8.6, 4.0, 20))),
        ("t2", _series(_SIEMENS, "t2_tse_tra", [*_ORIGINAL, "M", "ND", "NORM"], _se(6000, 99, flip=150, SequenceName="*tse2d1_18"))),
        ("flair", _series(_SIEMENS, "t2_space_dark-fluid_sag", [*_ORIGINAL, "M", "ND", "NORM"], _se(5000, 387, 1800, flip=120, MRAcquisitionType="3D", SequenceName="*spcir_278ns"))),
        ("dwi", _series(_SIEMENS, "ep2d_diff_b1000", [*_ORIGINAL, "DIFFUSION", "NONE", "ND"], _se(6600, 95, ScanningSequence=["EP"], SequenceName="*ep_b1000#1"))),
        ("swi", _series(_SIEMENS, "SWI_Images", [*_ORIGINAL, "M", "SWI", "NORM"], _gr(27, 20, 15, SequenceName="*swi3d1r"))),
        ("t1", _series(_SIEMENS, "t1_mprage_sag", [*_ORIGINAL, "M", "ND", "NORM"], _gr(2300, 2.98, 9, 900, SequenceName="*tfl3d1_16ns"))),
        ("t1ce", _series(_SIEMENS, "t1_mprage_sag_KM", [*_ORIGINAL, "M", "ND", "NORM"], _gr(2300, 2.98, 9, 900, SequenceName="*tfl3d1_16ns") | _AGENT)),
        ("mpr", _series(_SIEMENS, "t1_mprage_tra_MPR", [*_SECONDARY, "MPR", "CSA MPR"], _gr(2300, 2.98, 9, 900))),
    ],
    "ge": [
        ("localiser", _series(_GE, "3Plane Loc", [*_ORIGINAL, "OTHER"], _se(1300, 80))),
        ("t1", _series(_GE, "Ax T1 SE", [*_ORIGINAL, "OTHER"], _se(550, 12))),
        ("t2", _series(_GE, "Ax T2 PROPELLER", [*_ORIGINAL, "OTHER"], _se(5200, 105, flip=142))),
        ("dwi", _series(_GE, "Ax DWI b1000", [*_ORIGINAL, "OTHER"], _se(8000, 82, ScanningSequence=["EP", "SE"]))),
        ("flair", _series(_GE, "Ax T2 FLAIR", [*_ORIGINAL, "OTHER"], _se(9500, 124, 2250, flip=160))),
        ("tof", _series(_GE, "3D TOF MRA", [*_ORIGINAL, "OTHER"], _gr(24, 2.6, 15, AngioFlag="Y"))),
        ("t1ce", _series(_GE, "Ax BRAVO +C", [*_ORIGINAL, "OTHER"], _gr(8.2, 3.2, 12, 450, SequenceVariant=["SS", "SP", "SK"]) | _AGENT)),
        ("mip", _series(_GE, "COL:BRAVO", ["DERIVED", "SECONDARY", "PROJECTION IMAGE"], _gr(8.2, 3.2, 12, 450))),
    ],
    "philips": [
        ("localiser", _series(_PHILIPS, "Survey", [*_ORIGINAL, "M_FFE", "M", "FFE"], _gr(11, 4.6, 15))),
        ("t1", _series(_PHILIPS, "3D T1 TFE", [*_ORIGINAL, "M_FFE", "M", "FFE"], _gr(6.8, 3.1, 8, SequenceVariant=["MP"]))),
        ("flair", _series(_PHILIPS, "3D BrainVIEW FLAIR", [*_ORIGINAL, "M_SE", "M", "SE"], _se(4800, 340, 1650, MRAcquisitionType="3D", ScanningSequence=["IR"], SequenceVariant=["SK"]))),
        ("dwi", _series(_PHILIPS, "DWI_3b", [*_ORIGINAL, "M_SE", "M", "SE"], _se(3800, 90, ScanningSequence=["SE", "EP"], DiffusionBValue=1000.0))),
        ("t2", _series(_PHILIPS, "T2W_TSE", [*_ORIGINAL, "M_SE", "M", "SE"], _se(3000, 80))),
        ("t1ce", _series(_PHILIPS, "3D T1 TFE GD", [*_ORIGINAL, "M_FFE", "M", "FFE"], _gr(6.8, 3.1, 8, SequenceVariant=["MP"]) | _AGENT)),
        ("mip", _series(_PHILIPS, "mip t1", ["DERIVED", "PRIMARY", "MIP", "M", "FFE"], _gr(6.8, 3.1, 8))),
    ],
}  # fmt: skip
