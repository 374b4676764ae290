"""Four sequences in one 4-D NIfTI file: taken apart, shown, and told apart by a person."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.intake.checked import check_scans
from app.intake.files import ScanFile
from app.intake.pictures import png_of
from app.intake.study_case import StudyRecord
from model.errors import CaseError
from model.geometry import spacing_mm, to_canonical
from model.io.modalities import MODALITIES, find_modalities, guess_modality
from model.io.nifti import read_volume
from model.io.nifti_header import Limits
from model.io.nifti_volumes import split_volumes, volumes_in
from model.io.sequence_evidence import Evidence
from model.preparation.plan import Mode

# The order of the Medical Segmentation Decathlon (Antonelli et al., 2022), whose Task01 has such files.
ORDER = MODALITIES
CONFIDENCE = 0.5
REASON = Evidence("order")


def the_only_file(named: Mapping[str, ScanFile], loose: list[ScanFile]) -> ScanFile | None:
    """Return the file of an upload that holds all four sequences; None for any other upload."""
    if named or len(loose) != 1 or guess_modality(loose[0].name) is not None:
        return None
    return loose[0] if volumes_in(loose[0].path) == len(ORDER) else None


def take_apart(file: ScanFile, folder: Path, limits: Limits) -> StudyRecord:
    """Write each volume as a file into a new folder, and return what is shown of them. Raises CaseError."""
    folder.mkdir()
    paths = split_volumes(file.path, folder, file.name, limits)
    volumes = [_looked_at(path, file.name, limits) for path in paths]
    table = [_row(number, file.name, *volume[:2]) for number, volume in enumerate(volumes)]
    return StudyRecord(None, table, [picture for *_, picture in volumes])


def holds_volumes(folder: Path) -> bool:
    """Say whether a folder was filled by `take_apart`."""
    return _path(folder, 0).is_file()


def chosen(
    folder: Path, table: list[dict[str, Any]], wanted: Mapping[str, str], mode: Mode, limits: Limits
) -> tuple[dict[str, ScanFile], list[dict[str, Any]]]:
    """Return the files by sequence that a person chose, checked, and the table that says so.

    wanted : keys of volumes by sequence, "" for none; what it does not name stays as it was, unless its volume is wanted
        for another sequence

    To be called with `checked.one_at_a_time` held. Raises CaseError as `check_scans` and `find_modalities` do,
    `unknown_series`, and `duplicate_modality` for a volume that is chosen twice.
    """
    rows = {row["key"]: row for row in table}
    named = [key for key in wanted.values() if key]
    if unknown := set(named) - set(rows):
        raise CaseError("unknown_series", f"There is no volume {min(unknown)!r}.", ", ".join(rows))
    if len(set(named)) < len(named):
        raise CaseError(
            "duplicate_modality", "One volume was chosen twice.", "Choose one for each sequence."
        )
    kept = {row["used_as"]: row["key"] for row in table if row["key"] not in named}
    keys = kept | dict(wanted)
    keys = {modality: keys[modality] for modality in MODALITIES if keys.get(modality)}
    # Keys of sequences are names that tell which one it is.
    find_modalities(list(keys))
    files = {
        modality: ScanFile(rows[key]["description"], _path(folder, rows[key]["number"] - 1))
        for modality, key in keys.items()
    }
    check_scans(files, mode, limits)
    used = {key: modality for modality, key in keys.items()}
    return files, [row | {"used_as": used.get(row["key"])} for row in table]


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.nii"


def _looked_at(
    path: Path, name: str, limits: Limits
) -> tuple[tuple[int, ...], tuple[float, ...], bytes | None]:
    """Return shape, voxel edges in mm, and a picture of the middle of a volume, as it is looked at from below."""
    volume = read_volume(path, name=name, limits=limits)
    data, affine = to_canonical(volume.data, volume.affine)
    edges = spacing_mm(affine)
    middle = data[::-1, ::-1, data.shape[2] // 2]
    return volume.data.shape, tuple(spacing_mm(volume.affine)), png_of(middle, edges[1] / edges[0])


def _row(
    number: int, name: str, shape: tuple[int, ...], edges: tuple[float, ...]
) -> dict[str, Any]:
    facts = dict.fromkeys(("plane", "thickness_mm", "time", "tr_ms", "te_ms", "ti_ms", "flip_deg"))
    return facts | {
        "key": f"volume-{number + 1}",
        "number": number + 1,
        "description": f"Volume {number + 1} of {name}",
        "vendor": "",
        "contrast_agent": "",
        "shape": list(shape),
        "spacing_mm": [round(float(edge), 3) for edge in edges],
        "modality": ORDER[number],
        "confidence": CONFIDENCE,
        "evidence": [{"code": REASON.code, "text": REASON.text}],
        "left_out": [],
        "chosen": True,
        "readable": True,
        "text": REASON.text,
        "used_as": ORDER[number],
    }
