"""Earlier cases on the grid of a later one, in the folder of the later one. They go with either case.

<case>/registered/<id>/     sequences and labels of the case <id> as in a folder of results
<case>/registered/<id>/pair.json    what was found of the two, see `pairs.Found`
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGISTERED, PAIR = "registered", "pair.json"


@dataclass(frozen=True)
class RegisteredFolder:
    """What is kept of earlier cases; `case` is the folder of the later one."""

    case: Path

    def path(self, prior_id: str) -> Path:
        """Return where an earlier case lies, which need not be there."""
        return self.case / REGISTERED / prior_id

    def ids(self) -> list[str]:
        """Return the ids of the cases that lie here."""
        return [folder.name for folder in self.case.glob(f"{REGISTERED}/*")]

    def pair(self, prior_id: str) -> dict[str, Any] | None:
        """Return what was found of a pair; None where there is none."""
        try:
            return json.loads((self.path(prior_id) / PAIR).read_text())
        except FileNotFoundError:
            return None

    def publish(self, work: Path, prior_id: str, pair: Mapping[str, Any]) -> None:
        """Move a finished folder here. Raises FileNotFoundError if the later case has been deleted."""
        (work / PAIR).write_text(json.dumps(pair))
        (self.case / REGISTERED).mkdir(mode=0o700, exist_ok=True)
        self.drop(prior_id)
        work.rename(self.path(prior_id))

    def drop(self, prior_id: str) -> None:
        """Delete an earlier case from here; what is not there is no error."""
        shutil.rmtree(self.path(prior_id), ignore_errors=True)

    def drop_all(self) -> None:
        """Delete all of them."""
        shutil.rmtree(self.case / REGISTERED, ignore_errors=True)
