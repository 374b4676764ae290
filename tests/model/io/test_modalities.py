"""Names that real files have."""

import json
import re

import pytest

from model.errors import CaseError
from model.io.modalities import (
    MODALITIES,
    contrast_in,
    find_modalities,
    guess_description,
    guess_modalities,
    guess_modality,
    missing_modalities,
    name_rules,
    other_kind,
)

NAMES = {
    "flair": ["BraTS2021_01661_flair.nii.gz", "BraTS-GLI-00000-000-t2f.nii.gz", "AX T2 FLAIR.nii",
              "sub-01_FLAIR.nii.gz", "3_T2_FLAIR_TRA.nii.gz", "FLAIR_T2.nii", "t1_study_flair.nii",
              "t2_tirm_tra_dark-fluid.nii", "flair_to_t1ce_space.nii.gz", "flair_in_t1.nii.gz",
              "sub-1_space-T1w_desc-preproc_FLAIR.nii.gz", "FLAIR_space-T1w.nii.gz", "FL_to_SRI_brain.nii.gz",
              "p_dark_fluid_t2_tirm_tra.nii.gz", "case7_fla.nii.gz", "t2_space_flair_sag.nii.gz", "SPACE_FLAIR.nii",
              "AXT2FLAIR.nii", "flair2t1.nii", "FLAIR_reg_T1ce.nii", "FLAIR_post_gad.nii", "sag_cube_t2_flair.nii"],
    "t1": ["BraTS2021_01661_t1.nii.gz", "BraTS-GLI-00000-000-t1n.nii.gz", "AX_T1.nii",
           "T1_MPRAGE.nii", "sub-01_T1w.nii.gz", "T1w_sub-01.nii.gz", "sub-01_ses-post_T1w.nii.gz", "Patient_C_t1.nii.gz",
           "pre_contrast_T1.nii.gz", "T1_pre_contrast.nii", "non_contrast_T1w.nii", "no_contrast_t1.nii",
           "T1_without_contrast.nii", "precontrast_t1.nii", "noncontrast_t1.nii", "Ax_T1_PRE.nii",
           "Ax T1 SE.nii", "T1_FLAIR.nii", "t1_to_t2.nii.gz", "UCSF-PDGM-0004_T1_bias.nii.gz",
           "T1_W_O_CONTRAST.nii", "T1_ohne_KM.nii", "T1_sans_gad.nii", "T1_C-.nii", "T1_Gd-_ax.nii", "T1_post_op.nii",
           "T1_post_RT.nii", "T1_post_3_months.nii", "pre_RT_T1.nii", "T1_reg_T1ce.nii", "T1_aligned_T1c.nii",
           "T1WI.nii", "3DT1.nii", "T1_senza_mdc.nii", "T1_sin_contraste.nii", "T1_zonder_contrast.nii",
           "T1_sans_produit_de_contraste.nii", "T1_avant_injection.nii", "t1_nativ_tra.nii", "T1_unenhanced.nii",
           "T1_2_T1ce.nii", "t1_space_sag.nii", "KM_001_T1.nii", "T1_oKM.nii", "T1_woGd.nii", "T1_平扫.nii", "T1_単純.nii", "T1_без_контраста.nii", "CE-12_t1.nii.gz", "T1_in_atlas_space.nii"],
    "t1ce": ["BraTS2021_01661_t1ce.nii.gz", "BraTS-GLI-00000-000-t1c.nii.gz", "AX T1 +C.nii.gz",
             "t1_gd.nii", "T1_MPRAGE_POST.nii.gz", "sub-01_ce-gadolinium_T1w.nii.gz",
             "x_T1CE.NII.GZ", "t1_mpr_tra_km.nii", "t1_se_tra_km.nii", "t1_tra_post.nii",
             "t1_axial_gad.nii", "T1_3D_GD.nii", "t1_postgd.nii", "postgd_t1.nii", "T1_C+.nii",
             "T1+C.nii", "T1_post_contrast.nii", "post_contrast_T1.nii", "AX_T1_FLAIR_POST.nii",
             "t1ce_to_t1.nii", "sub-1_acq-ce_T1w.nii", "UPENN-GBM-00001_11_T1GD.nii.gz", "CT1_reg.nii", "cT1.nii",
             "T1_GADO.nii", "T1_gadovist_3D.nii", "T1_INJ.nii", "T1_mdc.nii", "T1+.nii", "T1CEW.nii", "T1_postcon.nii",
             "sub-1_ce-gadavist_T1w.nii.gz", "t1_mprage_sag_km.nii", "T1_con_contraste.nii", "T1_après_injection.nii",
             "T1_inject\u0065\u0301.nii", "T1_mit_KM.nii", "T1_SE_+GD.nii", "AXT1post.nii", "3D_BRAVO_GAD.nii",
             "T1_post_op_gad.nii", "pre_op_gad_T1.nii", "gad_T1.nii", "T1_preprocessed_gd.nii", "T1ce_reg_T1.nii",
             "T1_dotarem.nii", "KM_tra_T1.nii", "T1_增强.nii", "T1_造影後.nii", "T1_с_контрастом.nii", "T1_po_kontrascie.nii", "T1_sinc_gad.nii", "gad_ax_fs_t1.nii", "patient_no_3_gad_T1.nii", "t1_tse_tra_fs_p2_384_km.nii"],
    "t2": ["BraTS2021_01661_t2.nii.gz", "BraTS-GLI-00000-000-t2w.nii.gz", "AX_T2_TSE.nii",
           "folder_t1/patient_t2.nii.gz", "t2_reg_to_t1ce.nii.gz", "t1_post_op_t2.nii",
           "T2w_space-T1w.nii", "T2WI.nii", "3D_SPACE_T2.nii", "AX_T2_FSE_PROPELLER.nii", "T2_post_gad.nii",
           "T2_registered_to_T1.nii", "t2_space_sag.nii", "T2_SPACE_post_op.nii"],
    "seg": ["BraTS2021_01661_seg.nii.gz", "tumor-mask.nii", "t1_mask.nii", "dwi_mask.nii", "sub-1_dseg.nii"],
    None: ["patient12.nii.gz", "scan.nii", "", "dwi.nii.gz", "../../etc/passwd", "t2_swi.nii",
           "T2-star.nii", "T2star.nii", "T2*.nii", "dwi_t2.nii", "t1_subtraction.nii", "t1_sub.nii", "T1CE_SUB.nii", "T1map.nii", "p_T1w_map.nii",
           "p_t1_brainmask.nii", "t1_brain_mask.nii", "p_t1_roi.nii", "T1ce_pred.nii", "t1_heatmap.nii", "T1_MIP.nii",
           "T2_map.nii", "T1_DCE.nii", "t1_aseg.nii", "T1_prob.nii", "t1_csf.nii"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "wanted"), [(n, m) for m, names in NAMES.items() for n in names])
def test_guess(name, wanted):
    assert guess_modality(name) == wanted


def test_four_names_are_assigned_in_order_whatever_theirs():
    names = ["p_t2.nii", "p_seg.nii", "p_t1ce.nii", "readme.nii", "p_flair.nii", "p_t1.nii"]
    found = find_modalities(names)
    assert list(found) == list(MODALITIES)
    assert found["t1ce"] == "p_t1ce.nii"


# Files of one patient, and what they are.
FOLDERS = [
    ({"p/FLAIR/scan.nii": "flair", "p/T1/scan.nii": "t1", "p/T1 post/scan.nii": "t1ce", "T2\\a.nii": "t2",
      "p/seg/scan.nii": "seg", "p/ADC/scan.nii": None, "scan.nii": None}),
    # Names come first, and then say what is left.
    ({"T1/p_extra.nii": None, "T1/p_t2.nii": "t2", "T1/p_flair.nii": "flair"}),
    ({"T1/p_extra.nii": None, "x/p_t1.nii": "t1", "T2/mask.nii": "seg", "T2/scan.nii": "t2"}),
    ({"T2/map_adc.nii": None, "T1_FLAIR/p.nii": "t1", "x/flair.nii": "flair", "T1CE/T1map.nii": None}),
]  # fmt: skip


@pytest.mark.parametrize("wanted", FOLDERS)
def test_folders_tell_where_names_do_not(wanted):
    assert dict(zip(wanted, guess_modalities(list(wanted)), strict=True)) == wanted


def test_the_rules_are_data_that_a_browser_can_use_too():
    """What a browser makes of them is compared in tests/browser."""
    rules = name_rules()
    assert json.loads(json.dumps(rules)) == rules
    pairs = [*rules["spellings"], *rules["rewrites"]]
    patterns = [pattern for pattern, _ in pairs] + [pattern for _, pattern in rules["words"]]
    for pattern in (*patterns, rules["others"], rules["suffix"]):
        # Besides plain groups only those that look ahead; no anchors or flags of Python alone.
        assert not re.search(r"\(\?(?![:=!])|\\[AZzGK]|[*+?}]\+", pattern)
    # JavaScript gives a dollar in a replacement a meaning of its own.
    assert not any("$" in replacement for _, replacement in pairs)


@pytest.mark.parametrize("missing", MODALITIES)
def test_one_may_be_missing(missing):
    names = [f"p_{modality}.nii" for modality in reversed(MODALITIES) if modality != missing]
    found = find_modalities(names)
    assert list(found) == [modality for modality in MODALITIES if modality != missing]
    assert missing_modalities(found) == (missing,)
    with pytest.raises(CaseError, match="No file was recognised as") as caught:
        find_modalities(names, most_missing=0)
    assert caught.value.code == "missing_modality" and "4 of the 4" in caught.value.hint


def test_two_of_a_kind_and_missing_ones_are_errors():
    with pytest.raises(CaseError) as caught:
        find_modalities(["a_t1.nii", "b_t1.nii"])
    assert caught.value.code == "duplicate_modality" and caught.value.file == "b_t1.nii"
    with pytest.raises(CaseError) as caught:
        find_modalities(["a_t1.nii", "a_t2.nii"])
    assert caught.value.code == "missing_modality" and "FLAIR, T1ce." in caught.value.message
    assert "3 of the 4" in caught.value.hint


# Series descriptions; whether they say that a contrast agent was given; which other kind they name.
DESCRIPTIONS = [
    ("AX T1 W/O CONTRAST", "t1", False, None),
    ("AX T1 W/GAD", "t1ce", True, None),
    ("t1_mprage_sag_p2_iso_KM", "t1ce", True, None),
    ("Ax 3D C+", None, True, None),
    ("ohne KM", None, False, None),
    ("3D BRAVO", "t1", None, None),
    ("3-Plane Localizer", None, None, "localiser"),
    ("ep2d_diff_b1000", None, None, "diffusion"),
    ("AX SWI MIP", None, None, "susceptibility"),
]


@pytest.mark.parametrize(("text", "modality", "contrast", "kind"), DESCRIPTIONS)
def test_descriptions_of_series(text, modality, contrast, kind):
    assert guess_description(text) == modality
    assert contrast_in(text) is contrast
    assert other_kind(text) == kind
