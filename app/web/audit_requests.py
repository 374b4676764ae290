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
    "pages.delete_case": "delete",
    "pages.show_case": "read",
    "pages.show_report": "read",
    "pages.show_comparison": "read",
    "comparison.get_comparison": "read",
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
        views = request.view_args or {}
        written = audit.write(
            action,
            case=g.get("case_id") or views.get("case_id", ""),
            outcome=status,
            with_case=g.get("with_case_id", ""),
            user=views.get("user") or g.get("tried_user", ""),
            address=request.remote_addr,
        )
        if written or action not in SHOWING or not settings().audit_required:
            return response
        response.close()
        return app.make_response(error_response(AuditFailed().as_dict(), AuditFailed.status))
