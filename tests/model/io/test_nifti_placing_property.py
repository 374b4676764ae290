"""Whatever a header says of its place twice: the sform counts, and a contradiction is told if and only if there is one."""

import nibabel as nib
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from model.geometry import spacing_mm
from model.io.nifti_placing import SAME_PLACE, SAME_SPACING, best_affine, conflict_in, mend

SHAPE = (60, 70, 50)
EDGES = st.tuples(*[st.floats(0.4, 6.0)] * 3)
ANGLES = st.tuples(*[st.floats(-3.1, 3.1)] * 3)
PLACES = st.tuples(*[st.floats(-200.0, 200.0)] * 3)


@st.composite
def affines(draw) -> np.ndarray:
    """Draw an affine without shear, mirrored or not."""
    turn = nib.eulerangles.euler2mat(*draw(ANGLES))
    turn = turn @ np.diag([draw(st.sampled_from((-1.0, 1.0))), 1, 1])
    return nib.affines.from_matvec(turn @ np.diag(draw(EDGES)), draw(PLACES))


def header_of(sform: np.ndarray | None, qform: np.ndarray | None) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    if qform is not None:
        header.set_qform(qform, code=1)
    if sform is not None:
        header.set_sform(sform, code=1)
        if qform is None:
            header["pixdim"][1:4] = spacing_mm(sform)
    header.set_xyzt_units("mm")
    return header


@settings(max_examples=150, deadline=None)
@given(affine=affines(), forms=st.sampled_from(("sform", "qform", "both")))
def test_what_agrees_is_no_contradiction(affine, forms):
    header = header_of(affine if forms != "qform" else None, affine if forms != "sform" else None)
    mend(header)
    np.testing.assert_allclose(best_affine(header), affine, atol=0.01)
    assert conflict_in(header, SHAPE) is None


@settings(max_examples=150, deadline=None)
@given(sform=affines(), qform=affines())
def test_two_forms_that_differ_are_told_and_the_sform_counts(sform, qform):
    sizes = spacing_mm(sform), spacing_mm(qform)
    assume((np.abs(sizes[1] / sizes[0] - 1) > 2 * SAME_SPACING).any())
    header = header_of(sform, qform)
    mend(header)
    np.testing.assert_allclose(best_affine(header), sform, atol=0.01)
    assert conflict_in(header, SHAPE).kind == "spacing"


@settings(max_examples=150, deadline=None)
@given(affine=affines(), axis=st.sampled_from(range(3)), share=st.floats(2.0, 30.0))
def test_a_form_that_is_mirrored_or_moved_is_told(affine, axis, share):
    mirrored = affine @ np.diag([-1.0 if axis == n else 1.0 for n in range(3)] + [1.0])
    header = header_of(affine, mirrored)
    mend(header)
    assert conflict_in(header, SHAPE).kind == "mirrored"
    moved = affine.copy()
    moved[axis, 3] += share * SAME_PLACE * np.linalg.norm(spacing_mm(affine) * SHAPE)
    header = header_of(affine, moved)
    mend(header)
    assert conflict_in(header, SHAPE).kind == "apart"


@settings(max_examples=100, deadline=None)
@given(affine=affines(), sizes=EDGES, form=st.sampled_from(("sform", "qform")))
def test_voxel_sizes_that_contradict_the_only_form_are_told(affine, sizes, form):
    stated = np.array(sizes)
    assume((np.abs(stated / spacing_mm(affine) - 1) > 2 * SAME_SPACING).any())
    header = header_of(affine if form == "sform" else None, affine if form == "qform" else None)
    header["pixdim"][1:4] = sizes
    mend(header)
    found = conflict_in(header, SHAPE)
    # The qform has no sizes of its own: those in pixdim are its sizes.
    assert (found is None) == (form == "qform")
    if found:
        assert (found.kind, found.used, found.other) == ("spacing", "sform", "pixdim")
