"""Which requests are written to the audit log."""

from flask import Flask, Response, g, request

from app import audit
from app.config import settings
from app.errors import AuditFailed
from app.web.error_handlers import error_response

# What is written for which endpoint. Slices are not listed: looking at a case is one reading, of its page.
ACTIONS = {
    "access.log_in": "login",
    "access.log_out": "logout",
    "sessions.end_session": "end session",
    "pages.end_session": "end session",
    "pages.end_other_sessions": "end session",
    "cases.create_case": "upload",
    "pages.create_case": "upload",
    "pages.create_demo_case": "upload",
    "cases.get_case": "read",
    "cases.delete_case": "delete",
    "cases.restore_case": "restore",
    "cases.change_case": "change",
    "worklist.get_worklist_csv": "download",
    "worklist.get_results_zip": "download",
    "worklist_forms.delete_case": "delete",
    "worklist_forms.delete_cases": "delete",
    "worklist_forms.restore_cases": "restore",
    "worklist_forms.mark_cases": "change",
    "worklist_forms.change_case": "change",
    "pages.show_case": "read",
    "pages.show_report": "read",
    "pages.show_comparison": "read",
    "comparison.get_comparison": "read",
    "priors.get_prior": "read",
    "priors.register_prior": "register",
    "prior_volumes.get_prior_volume": "download",
    "prior_volumes.get_prior_mask": "download",
    "pages.register_prior": "register",
    "patients.get_patient": "read",
    "pages.show_patient": "read",
    "pages.show_patient_report": "read",
    "patients.change_time_point": "arrange",
    "pages.change_time_point": "arrange",
    "cases.get_segmentation": "download",
    "reports.get_report_json": "download",
    "reports.get_report_csv": "download",
    "reports.get_report_pdf": "download",
    "reports.get_report_zip": "download",
    "dicom.get_segmentation_dicom": "download",
    "dicom.get_report_dicom": "download",
    "dicom.get_structures_dicom": "download",
    "series.get_series": "read",
    "series.confirm_series": "confirm",
    "pages.show_series": "read",
    "pages.confirm_series": "confirm",
    "volumes.get_volume": "download",
    "volumes.get_confidence": "download",
    "volumes.get_brain": "download",
    "deliveries.send_to_archive": "order",
    "pages.send_to_archive": "order",
    "preparation.prepare_again": "prepare",
    "pages.prepare_again": "prepare",
    "pages.draw_brain": "correct",
    "pages.show_preparation": "read",
    "annotations.put_annotations": "annotate",
    "masks.create_mask": "correct",
    "masks.restore_mask": "correct",
    "masks.get_mask": "download",
    "pages.create_mask": "correct",
    "pages.restore_mask": "correct",
    "shares.share": "share",
    "shares.unshare": "unshare",
}
# What hands patients' data out.
SHOWING = ("read", "download")


def init_app(app: Flask) -> None:
    """Write a line for each request that is listed, and count those that are refused."""

    @app.after_request
    def note(response: Response) -> Response:
        token_link = "token" in request.args and response.status_code == 303
        action = "login" if token_link else ACTIONS.get(request.endpoint)
        # Not each time that a page asks for the progress of a case.
        if request.endpoint == "cases.get_case" and g.get("is_unfinished"):
            action = None
        status, tried = response.status_code, request.endpoint == "access.log_in"
        # Wrong logins are few, as they are limited, and each of them matters.
        if status == 429 or (status == 401 and not tried):
            audit.refuse(request.remote_addr or "", status)
            return response
        if not action:
            return response
        written = [_write(action, case_id, status) for case_id in _cases_of_request()]
        if all(written) or action not in SHOWING or not settings().audit_required:
            return response
        response.close()
        return app.make_response(error_response(AuditFailed().as_dict(), AuditFailed.status))


def _cases_of_request() -> list[str]:
    """Return the cases that a request is about, one at least, which is empty if there is none."""
    if "case_ids" in g:
        return g.case_ids
    return [g.get("case_id") or (request.view_args or {}).get("case_id", "")]


def _write(action: str, case_id: str, status: int) -> bool:
    return audit.write(
        action,
        case=case_id,
        outcome=status,
        with_case=g.get("with_case_id", ""),
        count=g.get("case_count", 0),
        patient=g.get("patient_key", ""),
        user=(request.view_args or {}).get("user") or g.get("tried_user", ""),
        address=request.remote_addr,
    )
