"""What is kept of a DICOM study in the folder of its case.

<case>/study/source.zip     headers of the series on whose grid the results are
       study/table.json     what is known of each series, see `intake.study_case.table_of`
       study/<n>.png        a picture of each series, numbered as in the table
       study/files/         the files as they came, until the series have been confirmed
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.io.dicom import source as dicom_source
from model.io.dicom.source import Source

STUDY, SOURCE, TABLE, FILES = "study", "source.zip", "table.json", "files"


@dataclass(frozen=True)
class StudyFolder:
    """What is kept of a study; `case` is the folder of the case, which need not be from DICOM."""

    case: Path

    @property
    def files(self) -> Path:
        """The files of a study whose series have not been confirmed."""
        return self._path(FILES)

    def keep_files(self, folder: Path) -> None:
        """Move a folder of DICOM files here."""
        self._make()
        folder.replace(self.files)

    def drop_files(self) -> None:
        """Delete the files, once the scans have been made of them."""
        shutil.rmtree(self.files, ignore_errors=True)

    @property
    def has_source(self) -> bool:
        """Whether there is a series to which results in DICOM can refer."""
        return self._path(SOURCE).is_file()

    def source(self) -> Source | None:
        """Return the series on whose grid the results are; None where results cannot refer to one."""
        return dicom_source.load(self._path(SOURCE)) if self.has_source else None

    def keep_source(self, source: Source | None) -> None:
        """Keep the headers of the series on whose grid the results will be."""
        self._make()
        if source is not None:
            dicom_source.save(source, self._path(SOURCE))

    def keep_series(
        self, table: Sequence[dict[str, Any]], pictures: Sequence[bytes | None]
    ) -> None:
        """Keep what is shown of the series: a row each, and a PNG where there is one."""
        self._make()
        for number, picture in enumerate(pictures):
            if picture is not None:
                self.picture(number).write_bytes(picture)
        self.change_series(table)

    def change_series(self, table: Sequence[dict[str, Any]]) -> None:
        """Replace the rows of the series."""
        partial = self._path(f"{TABLE}.partial")
        partial.write_text(json.dumps(list(table)))
        partial.replace(self._path(TABLE))

    def series(self) -> list[dict[str, Any]] | None:
        """Return a row for each series; None for a case that is not from DICOM."""
        try:
            return json.loads(self._path(TABLE).read_text())
        except FileNotFoundError:
            return None

    def picture(self, number: int) -> Path:
        """Return where the picture of a series is, which need not exist."""
        return self._path(f"{number}.png")

    def _path(self, name: str) -> Path:
        return self.case / STUDY / name

    def _make(self) -> None:
        (self.case / STUDY).mkdir(mode=0o700, parents=True, exist_ok=True)
