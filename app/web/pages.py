"""The pages. What their templates get is made here, and in the modules that end in `_page`."""

from collections.abc import Callable

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    redirect,
    render_template,
    request,
    url_for,
)

from app.config import settings
from app.errors import RequestError
from app.store import cases, mask_versions, worklist
from app.store.models import StoredCase
from app.web import (
    case_page,
    comparison_page,
    own_sessions,
    patient_page,
    preparation_page,
    registered_priors,
    report_page,
    sending,
    series_page,
    time_points,
    uploads,
    worklist_page,
    worklist_view,
)
from app.web.case_answers import case_details
from app.web.compared_cases import wanted_cases
from app.web.error_handlers import status_of
from app.web.mask_uploads import accept_brain, accept_mask
from app.web.preparing import queue_anew, wanted_options
from model.card import count_text
from model.errors import CaseError
from model.io.modalities import MODALITIES, TITLES, name_rules

blueprint = Blueprint("pages", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.globals["MODALITY_TITLES"] = TITLES


@blueprint.get("/")
def index():
    """Worklist and upload form."""
    return _index_page([])


@blueprint.post("/cases")
def create_case():
    """Upload by the form alone, without JavaScript."""
    return _queue_and_show(uploads.accept)


@blueprint.post("/cases/demo")
def create_demo_case():
    """Make the synthetic case and show it."""
    return _queue_and_show(uploads.accept_demo)


@blueprint.get("/cases/<case_id>")
def show_case(case_id: str):
    """Progress of a case, its error, or its result; of a study the series, until they are confirmed."""
    case = cases.find(case_id)
    if case.state == "unconfirmed":
        return _series_page(case, [])
    return render_template("case.html", **case_page.context(case))


@blueprint.get("/cases/<case_id>/series")
def show_series(case_id: str):
    """The series of a DICOM study, and why each is used or not."""
    return _series_page(cases.find(case_id), [])


@blueprint.post("/cases/<case_id>/series")
def confirm_series(case_id: str):
    """Confirm which series is which sequence by the form alone."""
    case = cases.find_own(case_id)
    try:
        uploads.queue_confirmed(case, series_page.wanted_series(case, request.form))
    except (CaseError, RequestError) as error:
        return _series_page(cases.find(case_id), [error.as_dict()]), status_of(error)
    return redirect(url_for("pages.show_case", case_id=case_id), 303)


@blueprint.get("/cases/<case_id>/report")
def show_report(case_id: str):
    """The report of a finished case, to be read or printed on one page."""
    return render_template("report.html", **report_page.context(cases.find(case_id)))


@blueprint.get("/cases/<case_id>/preparation")
def show_preparation(case_id: str):
    """Each sequence over the reference, with the outline of the brain."""
    return render_template("preparation.html", **preparation_page.context(cases.find(case_id)))


@blueprint.post("/cases/<case_id>/preparation")
def prepare_again(case_id: str):
    """Prepare and segment a case anew by the form alone."""
    case = cases.find_own(case_id)
    queue_anew(case, wanted_options(case))
    return redirect(url_for("pages.show_case", case_id=case_id), 303)


@blueprint.post("/cases/<case_id>/brain")
def draw_brain(case_id: str):
    """Segment a case again within an uploaded brain mask, by the form alone."""
    accept_brain(cases.find_own(case_id))
    return redirect(url_for("pages.show_case", case_id=case_id), 303)


@blueprint.post("/cases/<case_id>/masks")
def create_mask(case_id: str):
    """Add a corrected mask by the form alone."""
    accept_mask(cases.find_own(case_id))
    return redirect(url_for("pages.show_case", case_id=case_id), 303)


@blueprint.post("/cases/<case_id>/masks/<int:number>/restore")
def restore_mask(case_id: str, number: int):
    """Go back to a version of the mask by the form alone."""
    mask_versions.restore(cases.find_own(case_id), number)
    return redirect(url_for("pages.show_case", case_id=case_id), 303)


@blueprint.post("/cases/<case_id>/deliveries")
def send_to_archive(case_id: str):
    """Send the mask that counts to the archives by the form alone."""
    sending.order(cases.find_own(case_id))
    return redirect(url_for("pages.show_case", case_id=case_id), 303)


@blueprint.get("/compare")
def show_comparison():
    """Two cases side by side."""
    first, second = wanted_cases()
    return render_template("compare.html", **comparison_page.context(first, second))


@blueprint.post("/cases/<case_id>/priors/<prior_id>")
def register_prior(case_id: str, prior_id: str):
    """Register an earlier case to this one by the form alone."""
    registered_priors.made(*registered_priors.wanted_pair(case_id, prior_id))
    return redirect(url_for("pages.show_comparison", first=prior_id, second=case_id), 303)


@blueprint.get("/patients")
def show_patients():
    """The patients of whom there are cases."""
    return render_template("patients.html", **patient_page.list_context())


@blueprint.get("/patients/<key>")
def show_patient(key: str):
    """The examinations of a patient: how they changed, and where they belong."""
    return render_template("patient.html", **patient_page.context(key))


@blueprint.get("/patients/<key>/report")
def show_patient_report(key: str):
    """The same, to be read or printed."""
    return render_template("patient_report.html", **patient_page.context(key))


@blueprint.post("/cases/<case_id>/time-point")
def change_time_point(case_id: str):
    """Change the place of a case in a series by the form alone; go on to its patient."""
    case = cases.find_own(case_id)
    time_points.change(case)
    return redirect(url_for("pages.show_patient", key=time_points.page_key(case)), 303)


@blueprint.get("/sessions")
def show_sessions():
    """The browsers that are signed in as the user."""
    return render_template("sessions.html", sessions=own_sessions.listed())


@blueprint.post("/sessions/<session_id>/end")
def end_session(session_id: str):
    """Sign one of these browsers out by the form alone."""
    own_sessions.end(session_id)
    return redirect(url_for("pages.show_sessions"), 303)


@blueprint.post("/sessions/end-others")
def end_other_sessions():
    """Sign all of them out but the one that asks."""
    own_sessions.end_others()
    return redirect(url_for("pages.show_sessions"), 303)


@blueprint.get("/about")
def about():
    """The model and its accuracy on patients not trained on."""
    card = current_app.extensions["model"].card
    trained_on = card.training.get("split", {}).get("train", [])
    return render_template(
        "about.html",
        card=card,
        ensemble=count_text(card.networks),
        cases=len(trained_on),
        phantoms=sum(name.startswith("phantom_") for name in trained_on),
    )


def _series_page(case: StoredCase, errors: list[dict[str, str]]) -> str:
    found = series_page.context(case)
    return render_template("series.html", case=case_details(case), errors=errors, **found)


def _queue_and_show(accept: Callable[[], StoredCase]):
    try:
        case = uploads.queue_case(accept)
    except (CaseError, RequestError) as error:
        return _index_page([error.as_dict()]), status_of(error)
    return redirect(url_for("pages.show_case", case_id=case.id), 303)


def _index_page(errors: list[dict[str, str]]) -> str | Response:
    wanted = worklist_view.lenient(request.args)
    found = worklist.listing(wanted)
    if wanted.page > max(1, found.pages):
        # Cases have been deleted since. A redirect, since scripts read the page number from the address.
        last = worklist_view.in_address(wanted, page=max(1, found.pages))
        return redirect(url_for("pages.index", **last))
    return render_template(
        "index.html",
        errors=errors,
        limits={"max_upload_mb": settings().max_upload_mb},
        modalities=MODALITIES,
        name_rules=name_rules(),
        **worklist_page.context(wanted, found),
    )
