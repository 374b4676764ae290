"""The artefact of the brain extraction: two OpenVINO models, verified before they are opened."""

import json
from dataclasses import dataclass
from pathlib import Path

from model.card import sha256
from model.errors import ModelError

BRAIN_DIR = Path(__file__).parent.parent / "brain_extraction"
CARD, LICENCE = "card.json", "LICENSE"
COARSE, FINE = "coarse.xml", "fine.xml"
FILES = (COARSE, "coarse.bin", FINE, "fine.bin")


@dataclass(frozen=True)
class BrainCard:
    """The content of `card.json`.

    source : the package whose networks these are; `command` makes the files from it
    files : SHA-256 by name
    """

    name: str
    version: str
    source: str
    source_sha256: str
    licence: str
    citation: str
    command: str
    files: dict[str, str]

    @property
    def checksum(self) -> str:
        """SHA-256 of the fine network's weights, which identifies the artefact in reports."""
        return self.files["fine.bin"]


def read_brain_card(folder: Path = BRAIN_DIR) -> BrainCard:
    """Read `card.json`. Raises ModelError."""
    path = folder / CARD
    try:
        return BrainCard(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise ModelError(f"There is no brain extraction in {folder}: {CARD} is missing.") from None
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} is damaged or of another version: {error!r}") from error


def verified_network(folder: Path, card: BrainCard, name: str) -> Path:
    """Return the path of a network whose files have the card's checksums. Raises ModelError."""
    for part in (name, name.replace(".xml", ".bin")):
        path = folder / part
        if not path.is_file():
            raise ModelError(f"The brain extraction in {folder} is incomplete: {part} is missing.")
        if sha256(path) != card.files.get(part):
            raise ModelError(f"{path} is damaged: its checksum is not the one in {CARD}.")
    return folder / name
