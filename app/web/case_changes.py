"""What a person writes to a case: its name, a note and the status of reading."""

from pydantic import ValidationError

from app.errors import BadRequest
from app.intake.files import visible
from app.reporting.schemas import CaseChange
from app.store.models import StoredCase, db

# More than a note needs, in the body of a request.
MAX_BODY_BYTES = 32 * 2**10
LINE_ENDS = str.maketrans({"\r": None})


def checked(fields: object) -> CaseChange:
    """Return a change as a request has it. Raises BadRequest."""
    try:
        return CaseChange.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "The body"
        hint = "Send a JSON object with name, note or status."
        raise BadRequest(f"{place}: {first['msg']}.", hint, "bad_parameter") from error


def apply(case: StoredCase, change: CaseChange) -> None:
    """Write a change; what it does not name stays. Raises BadRequest for a name of nothing."""
    if change.name is not None:
        name = visible(change.name)
        if not name:
            raise BadRequest("A case has a name.", "Write one.", "bad_parameter")
        case.name = name
    if change.note is not None:
        lines = change.note.translate(LINE_ENDS).split("\n")
        case.note = "\n".join("".join(filter(str.isprintable, line)) for line in lines).strip()
    if change.status is not None:
        case.status = change.status
    db.session.commit()
