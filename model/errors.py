"""Errors that cross module borders.

Exception
├── CaseError    something about the scans that their owner can mend; shown word for word
└── ModelError   the model artefact is missing, damaged or does not fit this version
"""


class CaseError(Exception):
    """A case cannot be read or segmented for a reason that the user can mend.

    `code` is stable and documented, `message` says what is wrong, `hint` what to do about it,
    and `file` names the file concerned as the user knows it.
    """

    def __init__(self, code: str, message: str, hint: str = "", file: str | None = None):
        # All arguments reach BaseException, so that the error can be pickled between processes.
        super().__init__(code, message, hint, file)
        self.code, self.message, self.hint, self.file = code, message, hint, file

    def __str__(self) -> str:
        return self.message

    def as_dict(self) -> dict[str, str]:
        fields = {"code": self.code, "message": self.message, "hint": self.hint}
        return fields | ({"file": self.file} if self.file else {})


class ModelError(Exception):
    """A trained model, or what it is to be made from, cannot be used."""
