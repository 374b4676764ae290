"""The shapes of what is written to a case by REST, and of what is said of that; parts of `schemas`."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["unconfirmed", "queued", "running", "done", "failed"]
# What a reader says of a case; it starts as unread.
ReadingStatus = Literal["unread", "read", "to_correct"]
# Characters of a name, as the page takes them, and of a note.
MAX_NAME, MAX_NOTE = 120, 2000


class CaseChange(BaseModel):
    """What a person writes to a case; null stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, max_length=MAX_NAME)
    note: str | None = Field(default=None, max_length=MAX_NOTE)
    status: ReadingStatus | None = None


class Deleted(BaseModel):
    """Until when a deletion can be undone; null: it cannot."""

    undo_until: datetime | None
