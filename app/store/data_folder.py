"""The data folder: where cases lie, and where uploads and results are made.

<data_dir>/cases/<id>/          one folder for each case, see `results`
<data_dir>/staging/<random>/    uploads and results in the making
<data_dir>/staging/deleted-<id> empty: a deleted case whose row found no room to go
<data_dir>/incoming/            studies that other programs send, see `dicom_node.spool`
"""

import secrets
from pathlib import Path

from app.config import settings
from app.errors import StartupError
from app.store.results import CaseFolder

CASES, STAGING, INCOMING = "cases", "staging", "incoming"
DELETED = "deleted-"


def make_folders(data_dir: Path) -> None:
    """Make the data folder where it is missing. Raises StartupError."""
    try:
        for folder in (data_dir, *(data_dir / part for part in (CASES, STAGING, INCOMING))):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"BTS_DATA_DIR={data_dir} cannot be used: {error.strerror}.") from error


def case_folder(case_id: str) -> CaseFolder:
    """Return the folder of a case, which need not exist."""
    return CaseFolder(settings().data_dir.resolve() / CASES / case_id)


def case_folders() -> list[CaseFolder]:
    """Return the folders of all cases."""
    return [CaseFolder(path) for path in (settings().data_dir.resolve() / CASES).iterdir()]


def staging_folders() -> list[Path]:
    """Return the folders of what is being made, or was left behind."""
    return [path for path in _staged() if not path.name.startswith(DELETED)]


def tombstone(case_id: str) -> Path:
    """Return the folder that stands for a case which is deleted although its row is still there."""
    return settings().data_dir.resolve() / STAGING / f"{DELETED}{case_id}"


def deleted_ids() -> list[str]:
    """Return the ids of the cases that have a tombstone."""
    names = (path.name for path in _staged())
    return [name.removeprefix(DELETED) for name in names if name.startswith(DELETED)]


def _staged() -> list[Path]:
    return list((settings().data_dir.resolve() / STAGING).iterdir())


def staging_path() -> Path:
    """Return a new path for something in the making, on the same file system as the cases."""
    return settings().data_dir.resolve() / STAGING / secrets.token_hex(8)


def new_staging_folder() -> Path:
    """Make an empty folder at a new staging path."""
    folder = staging_path()
    folder.mkdir(mode=0o700)
    return folder
