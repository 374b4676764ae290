"""Why a series is not used: a stable code with its values; the sentence is made last."""

from dataclasses import dataclass

# By code: what is wrong with a series that cannot be read as one volume.
PROBLEMS = {
    "no_position": "The headers do not say where the slices lie.",
    "one_place": "All {0} images lie at one place: they are no volume.",
    "too_few_slices": "It has {0} of the {1} slices that a volume has at least.",
    "mixed_orientation": "The slices are turned against each other by up to {0:.1f} degrees.",
    "mixed_size": "The slices have different sizes: {0} and {1} pixels.",
    "mixed_spacing": "The slices have pixels of different sizes: {0} and {1} mm.",
    "mixed_rescale": "Some slices have rescale values and others have none.",
    "double_slices": "Slices lie where another one lies: {0}, the first at {1:.1f} mm.",
    "missing_slices": "The steps between slices are uneven, as if {0} were missing: {2:.2f} mm after {1:.1f} mm, {3:.2f} mm elsewhere.",
    "uneven_steps": "The steps between slices are uneven: {0:.2f} to {1:.2f} mm.",
    "shifted_slices": "{0} slices are shifted sideways against the others, by up to {1:.1f} mm.",
    "gantry_tilt": "The slices are shifted sideways: the stack is tilted by {0:.1f} degrees.",
    "bad_spacing": "The voxels are {0} mm; edges of {1:g} to {2:g} mm are read.",
    "no_pixels": "{0} of its files have fewer pixels than their headers say.",
    "not_grey": "The pixels are not grey values that grow with the signal ({0}).",
    "too_large": "The series has {0:,} voxels; at most {1:,} are read.",
}
# By code: why a series is none of the four sequences.
KINDS = {
    "not_mr": "It is of the modality {0}, not MR.",
    "no_image": "It holds no images ({0}).",
    "localiser": "It is a localiser.",
    "derived": "It was computed from other images ({0}).",
    "secondary_capture": "It is a secondary capture, such as a screenshot.",
    "projection": "It is a projection or reformat of another series ({0}).",
    "phase": "Its values are phases or parts of complex numbers, not magnitudes.",
    "time_series": "It is a time series of {0} volumes.",
    "diffusion": "It is diffusion-weighted, or computed from such images.",
    "perfusion": "It is perfusion imaging.",
    "functional": "It is functional imaging.",
    "angiography": "It is an angiogram.",
    "spectroscopy": "It is spectroscopy.",
    "susceptibility": "It is weighted to T2* or susceptibility.",
    "echo_planar": "It is echo-planar imaging, as of diffusion, perfusion or function.",
    "map": "It is a map of computed values.",
    "subtraction": "It is a subtraction.",
    "fat_nulled": "It is an inversion recovery that nulls fat (TI {0:.0f} ms).",
    "proton_density": "It is weighted to proton density.",
    "balanced": "It is a balanced steady-state sequence.",
    "little_coverage": "It covers only {0:.0f} mm: a part of the head, or another part of the body.",
    "magnetisation_transfer": "It has magnetisation transfer.",
}
TEXTS = PROBLEMS | KINDS


@dataclass(frozen=True)
class Reason:
    """Why a series is not used: programs go by its code, people read its text.

    values : what the sentence of the code has in its gaps
    """

    code: str
    values: tuple[str | int | float, ...] = ()

    @property
    def text(self) -> str:
        return TEXTS[self.code].format(*self.values)
