"""Turn folders of labelled cases into arrays that training can map into memory.

    python -m training.prepare DATA_DIR [DATA_DIR ...] --out runs/data

Each case becomes a folder with `slices.npy` (Z, X, Y, 4) float16 and `labels.npy` (Z, X, Y) uint8,
the same values that serving gives the network. `--slices` adds single slices without neighbours.
`index.json` lists the cases; `split.json` says which are trained on, added in the last stage or tested
on. The file `--split` names the part of each patient (`training/data/split.py`); patients whom it does
not name are divided at random. Cases that lack sequences are in a part of their own, which is only
trained on.
"""

import argparse
import json
import multiprocessing
import random
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.progress import track

from model import phantom
from model.errors import CaseError
from model.geometry import to_canonical
from model.io.case import Case, find_case_files, find_mask_file, load_case
from model.io.modalities import MODALITIES
from model.labels import REGIONS, from_file_values
from model.planes import as_slices
from model.preprocess import Preprocessing, prepare
from training.data.labelled import find_labelled_cases, patient_of, read_labels
from training.data.single_slices import find_slices, prepare_slices
from training.data.split import SPLIT, Patient, check_sides, part_of, read_patients

# A case must have at least two of the four sequences.
MOST_MISSING = 2
# Edge, in voxels, of the blocks whose means are a case's fingerprint.
FINGERPRINT_BLOCK = 8
# Cases with a higher correlation of fingerprints are one patient; among 35 BraTS patients it is 0.66 at
# most.
SAME_PATIENT_CORRELATION = 0.9


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.prepare", description=__doc__.split("\n")[0])
    parser.add_argument("data_dirs", type=Path, nargs="+", metavar="DATA_DIR")
    parser.add_argument("--out", type=Path, default=Path("runs/data"))
    parser.add_argument(
        "--slices", type=Path, metavar="DIR", help="folder of single slices, <patient>_z<index>.npz"
    )
    parser.add_argument("--split", type=Path, default=SPLIT, help="table of patients and parts")
    parser.add_argument("--validation", type=float, default=0.1, help="share of patients")
    parser.add_argument("--test", type=float, default=0.2, help="share of patients")
    parser.add_argument("--phantoms", type=int, default=2, help="synthetic training cases added")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--denoise", action="store_true")
    parser.add_argument("--bias-correction", action="store_true")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes that prepare; 0: this process does"
    )
    options = parser.parse_args(arguments)
    parameters = Preprocessing(denoise=options.denoise, bias_correction=options.bias_correction)
    folders = find_labelled_cases(options.data_dirs)
    if not folders:
        print("No folder with scans and a *seg.nii* was found.", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    entries, left_out = prepare_cases(folders, options.out, parameters, options.workers)
    if options.slices:
        entries += prepare_single_slices(options.slices, options.out, parameters)
    patients = read_patients(options.split)
    for entry in entries:
        if known := patients.get(entry["patient"]):
            entry |= {"patient": known.name, "source": known.source, "fold": known.fold}
    split = assign(entries, patients, options)
    try:
        check_sides(entries, split)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    synthetic = prepare_phantoms(options.phantoms, options.out, parameters)
    split["train"] += [entry["case"] for entry in synthetic]
    index = {
        "preprocessing": asdict(parameters),
        "cases": entries + synthetic,
        "left_out": left_out,
    }
    (options.out / "index.json").write_text(json.dumps(index, indent=1))
    (options.out / "split.json").write_text(json.dumps(split, indent=1))
    for name, reason in left_out.items():
        print(f"left out {name}: {reason}")
    sizes = ", ".join(f"{len(cases)} {part}" for part, cases in split.items())
    print(f"{len(entries)} labelled cases and {len(synthetic)} phantoms in {options.out}: {sizes}")
    return 0


def prepare_cases(
    folders: list[Path], out: Path, parameters: Preprocessing, workers: int
) -> tuple[list[dict], dict[str, str]]:
    """Prepare `folders` in several processes; return index entries, and why others were left out."""
    entries, left_out = [], {}
    # New processes: forks of a process that has built a network may hang.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn) if workers else ThreadPoolExecutor(1) as pool:
        jobs = {folder: pool.submit(prepare_folder, folder, out, parameters) for folder in folders}
        for folder, job in track(jobs.items(), "Preparing"):
            try:
                entries.append(job.result())
            except (CaseError, ValueError) as error:
                left_out[folder.name] = str(error)
    group_same_patients(entries)
    return entries, left_out


def prepare_folder(folder: Path, out: Path, parameters: Preprocessing) -> dict:
    """Prepare one case folder; return its index entry."""
    files = find_case_files(folder, MOST_MISSING)
    case = load_case(files, most_missing=MOST_MISSING)
    labels = from_file_values(read_labels(find_mask_file(folder), case))
    return write_case(folder.name, case, labels, out, parameters)


def write_case(
    name: str, case: Case, labels: np.ndarray, out: Path, parameters: Preprocessing
) -> dict:
    """Write the arrays of one case and return its index entry.

    labels : (X, Y, Z) on the grid of the files
    """
    prepared = prepare(case, parameters)
    canonical, _ = to_canonical(labels, case.affine)
    if canonical.shape != prepared.shape:
        raise ValueError("training cases need 1 mm voxels")
    target = canonical[prepared.box]
    folder = out / name
    folder.mkdir(exist_ok=True)
    # Slice-major, so that one slice is one contiguous read.
    np.save(folder / "slices.npy", np.ascontiguousarray(as_slices(prepared.volume, "axial")))
    np.save(folder / "labels.npy", np.ascontiguousarray(np.moveaxis(target, 2, 0)))
    return {
        "case": name,
        "patient": patient_of(name),
        "missing": list(case.missing),
        "shape": list(target.shape),
        "voxels": {region.key: int((target == region.index).sum()) for region in REGIONS},
        "fingerprint": fingerprint(prepared.volume[..., MODALITIES.index("flair")]),
    }


def fingerprint(volume: np.ndarray) -> list[float]:
    """Return block means of a volume (X, Y, Z), cut or filled with 0 to 160 x 192 x 152."""
    fixed = np.zeros((160, 192, 152), np.float32)
    cut = tuple(slice(0, min(a, b)) for a, b in zip(volume.shape, fixed.shape, strict=True))
    fixed[cut] = volume[cut]
    n = FINGERPRINT_BLOCK
    blocks = fixed.reshape(160 // n, n, 192 // n, n, 152 // n, n).mean(axis=(1, 3, 5))
    return np.round(blocks.ravel(), 2).tolist()


def group_same_patients(entries: list[dict]) -> None:
    """Make cases with nearly the same images one patient, since BraTS has published some twice."""
    prints = np.array([entry.pop("fingerprint") for entry in entries])
    if len(entries) < 2:
        return
    correlation = np.corrcoef(prints)
    for later in range(len(entries)):
        for earlier in range(later):
            if correlation[earlier, later] > SAME_PATIENT_CORRELATION:
                one, two = entries[earlier], entries[later]
                print(f"{two['case']} and {one['case']} are taken for one patient")
                two["patient"] = one["patient"]


def split_patients(
    entries: list[dict], validation: float, test: float, seed: int
) -> dict[str, list[str]]:
    """Assign whole patients at random to train, validation and test; return case names by part.

    Cases that lack a sequence are `partial`, unless their patient is held out for validation or test.
    """
    complete = [entry for entry in entries if not entry["missing"]]
    patients = sorted({entry["patient"] for entry in complete})
    random.Random(seed).shuffle(patients)
    tests = round(len(patients) * test)
    validations = round(len(patients) * validation)
    part = {
        patient: "test" if i < tests else "validation" if i < tests + validations else "train"
        for i, patient in enumerate(patients)
    }
    split: dict[str, list[str]] = {"train": [], "validation": [], "test": [], "partial": []}
    for entry in complete:
        split[part[entry["patient"]]].append(entry["case"])
    for entry in entries:
        if entry["missing"] and part.get(entry["patient"], "train") == "train":
            split["partial"].append(entry["case"])
    return split


def prepare_single_slices(folder: Path, out: Path, parameters: Preprocessing) -> list[dict]:
    """Prepare all single slices of a folder; return the index entries of their patients."""
    return [
        prepare_slices(patient, paths, out, parameters)
        for patient, paths in track(find_slices(folder).items(), "Preparing slices")
    ]


def assign(
    entries: list[dict], patients: dict[str, Patient], options: argparse.Namespace
) -> dict[str, list[str]]:
    """Return case names by part: of patients in the split file as it says, of others at random."""
    known = [entry for entry in entries if entry["patient"] in patients]
    others = [entry for entry in entries if entry["patient"] not in patients]
    split = split_patients(others, options.validation, options.test, options.seed)
    for entry in known:
        part = part_of(entry, patients[entry["patient"]])
        split.setdefault(part, []).append(entry["case"])
    return split


def prepare_phantoms(count: int, out: Path, parameters: Preprocessing) -> list[dict]:
    """Write synthetic cases, with other seeds than the demo case; return their index entries."""
    entries = []
    for seed in range(1000, 1000 + count):
        case, labels = phantom.make_case(seed)
        entry = write_case(f"phantom_{seed}", case, labels, out, parameters)
        entry.pop("fingerprint")
        entries.append(entry | {"synthetic": True})
    return entries


if __name__ == "__main__":
    sys.exit(main())
