import html
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from app.analysis.values import Slices, VolumesMl
from app.store import cases, removal
from app.store.models import db
from model.io.modalities import MODALITIES, TITLES
from model.io.nifti import DISCLAIMER
from model.labels import REGIONS
from model.warnings import NOTHING_MARKED
from tests.app.rows import change, change_record, row


def pictures(page: str) -> list[str]:
    return [html.unescape(url) for url in re.findall(r'src="([^"]*overlay[^"]*)"', page)]


def test_worklist(client, upload):
    assert DISCLAIMER in client.get("/").text
    upload(name="<script>Anna</script>")
    page = client.get("/").text
    assert "<script>Anna" not in page
    assert "&lt;script&gt;Anna" in page
    assert "Anna" not in client.get("/?q=nobody").text
    for odd in ("?page=0", "?page=x", "?page=99999999999999", "?page=7"):
        assert "&lt;script&gt;Anna" in client.get(f"/{odd}", follow_redirects=True).text
    # The address names the page that is shown, since the script goes by it.
    assert client.get("/?page=7&q=anna").location == "/?q=anna"


def test_upload_without_script(client, parts):
    response = client.post("/cases", data=parts | {"name": "Anna"})
    assert response.status_code == 303
    page = client.get(response.location)
    assert page.status_code == 200
    assert "Anna" in page.text
    assert "http-equiv" in page.text


def test_three_files_without_script(client, upload):
    response = upload("/cases", t2=None)
    assert response.status_code == 303
    assert "http-equiv" in client.get(response.location).text
    response = upload("/cases", t1=None, t2=None)
    assert response.status_code == 422
    assert "No file was recognised as T1, T2." in response.text


def test_error_stands_on_the_form(client, app, upload, assert_nothing_kept):
    response = upload("/cases", t2=(io.BytesIO(b"no scan"), "b_t2.nii"))
    assert response.status_code == 415
    assert "This is not a NIfTI file." in response.text
    assert "b_t2.nii" in response.text
    assert_nothing_kept(app)


def test_demo_case(client):
    response = client.post("/cases/demo")
    assert response.status_code == 303
    case = client.get("/api" + response.location).json
    assert (case["name"], case["state"]) == ("Synthetic demo case", "queued")


def test_result_page(finished):
    page = finished.client.get(f"/cases/{finished.id}").text
    assert DISCLAIMER in page
    assert all(region.title in page for region in REGIONS)
    shown = pictures(page)
    assert len(shown) == 3
    assert all(finished.client.get(url).status_code == 200 for url in shown)
    assert 'report.json" download="patient_report.json"' in page
    for kind in ("segmentation.nii.gz", "report.json", "report.csv", "report.pdf", "report.zip"):
        assert f"/api/cases/{finished.id}/{kind}" in page
    assert f'href="/cases/{finished.id}/report"' in page


def test_measurements_lead_to_their_slices(finished):
    url = f"/cases/{finished.id}"
    page = finished.client.get(url).text
    found = finished.client.get(f"/api{url}").json["measurements"]
    rano, areas = found["rano"], found["areas_mm2"]
    assert f"{rano['longest_mm']:.1f} × {rano['perpendicular_mm']:.1f} mm" in page
    for plane in ("axial", "coronal", "sagittal"):
        chart = re.search(rf'data-chart="{plane}".*?</figure>', page, re.DOTALL)[0]
        links = [html.unescape(link) for link in re.findall(r'<a href="([^"]+)"', chart)]
        marked = [index for index, area in enumerate(areas[plane]) if area]
        assert [int(re.search(rf"{plane}=(\d+)", link)[1]) for link in links] == marked
    shown = finished.client.get(f"{url}?axial={rano['slice']}").text
    assert f"/axial/{rano['slice']}.png" in shown
    assert re.search(r'data-part="diameters" data-slice="\d+">', shown)
    elsewhere = finished.client.get(f"{url}?axial={rano['slice'] + 1}").text
    assert re.search(r'data-part="diameters" data-slice="\d+" hidden>', elsewhere)


def test_result_page_has_nothing_inline(finished):
    page = finished.client.get(f"/cases/{finished.id}").text
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=", page)


def test_result_page_offers_the_sequences_that_were_given(finished_without):
    case, missing = finished_without
    url = f"/cases/{case.id}"
    page = case.client.get(url).text
    offered = re.findall(r'name="modality" value="(\w+)"', page)
    assert offered == [modality for modality in MODALITIES if modality != missing]
    default = {"flair": "t2", "t2": "flair"}[missing]
    assert all(f"modality={default}&" in address for address in pictures(page))
    assert f"No {TITLES[missing]} was given." in page
    assert "Not given" in page
    assert pictures(case.client.get(f"{url}?modality={missing}").text) == pictures(page)


def test_view_follows_the_address(finished):
    query = "axial=5&modality=t2&regions=&regions=edema&opacity=0.25&outline=1"
    page = finished.client.get(f"/cases/{finished.id}?{query}").text
    axial = next(url for url in pictures(page) if "/axial/" in url)
    assert "/axial/5.png?modality=t2&regions=edema&opacity=0.25&outline=1&mask=0&made=" in axial
    no_region = finished.client.get(f"/cases/{finished.id}?regions=").text
    assert "regions=&" in pictures(no_region)[0]


def test_odd_addresses_show_the_default_view(finished):
    default = pictures(finished.client.get(f"/cases/{finished.id}").text)
    for query in (
        "modality=pet",
        "opacity=nan",
        "opacity=x",
        "regions=skull",
        "axial=x",
        "axial=-1",
    ):
        assert pictures(finished.client.get(f"/cases/{finished.id}?{query}").text) == default
    assert "/axial/71.png" in finished.client.get(f"/cases/{finished.id}?axial=9999").text


def test_empty_result_says_so(app, client, done):
    with app.app_context():
        slices = row(done).record.measurements.slices
        empty = {
            "volumes_ml": VolumesMl(0.0, 0.0, 0.0, 0.0, 0.0),
            "slices": Slices(**{key: replace(s, largest=None) for key, s in slices.items()}),
        }
        change_record(done, empty, warnings=(NOTHING_MARKED,))
    page = client.get(f"/cases/{done}").text
    assert "The model marked no voxels." in page
    assert "no tumo" not in page.lower()


def test_failed_case_shows_its_error(app, client, upload):
    case_id = upload().json["id"]
    with app.app_context():
        case = cases.find(case_id)
        case.state = "failed"
        case.error = {"code": "no_brain", "message": "Too little brain.", "hint": "Look again."}
        db.session.commit()
    page = client.get(f"/cases/{case_id}").text
    assert "Too little brain." in page
    assert "Look again." in page


def test_delete(app, client, upload, assert_nothing_kept):
    case_id = upload().json["id"]
    response = client.post(f"/cases/{case_id}/delete")
    assert (response.status_code, response.location) == (303, "/")
    assert client.get(f"/cases/{case_id}").status_code == 404
    with app.app_context():
        change(case_id, deleted_at=datetime.now(UTC) - removal.UNDO)
        removal.remove_hidden()
    assert_nothing_kept(app)


def test_about_tells_of_networks_that_are_averaged(client, app, monkeypatch):
    card = app.extensions["model"].card
    one, two = (SimpleNamespace(card=replace(card, networks=count)) for count in (1, 2))
    monkeypatch.setitem(app.extensions, "model", one)
    text = client.get("/about").text
    assert f"{card.architecture}</dd>" in text and "the mean of" not in text
    monkeypatch.setitem(app.extensions, "model", two)
    text = client.get("/about").text
    assert f"{card.architecture}, two networks</dd>" in text
    assert "the mean of two networks, each" in text


@pytest.mark.parametrize("address", ["/", "/about", "/nothing"])
def test_disclaimer_on_every_page(client, address):
    assert DISCLAIMER in client.get(address).text


@pytest.mark.parametrize("address", ["/", "/about"])
def test_nothing_is_inline_or_from_elsewhere(client, address):
    page = client.get(address).text
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=", page)
    assert not re.search(r'(?:src|action)="(?:https?:)?//', page)
