"""An earlier case registered to a later one: made once, shown in slices, gone with either."""

import io

import numpy as np
import pytest
from PIL import Image

from app.jobs.queue_runner import queue_runner
from app.store import cases, pairs, users
from tests.app.conftest import app_on, close, file_parts
from tests.app.corrections import changed, file_of, image_of
from tests.app.people import PASSWORD, bearer


@pytest.fixture
def two(make_app, scans):
    """Two finished cases of the same scans: `(app, client, now, prior)`."""
    app = make_app()
    client = app.test_client()
    ids = [client.post("/api/cases", data=file_parts(scans)).json["id"] for _ in range(2)]
    with app.app_context():
        while queue_runner(app).run_next():
            pass
    return app, client, ids[1], ids[0]


@pytest.fixture(scope="module")
def registered(tmp_path_factory, model_holder, scans):
    """The same, registered, the later one with a cube of 1000 voxels more: `(client, address, answer)`."""
    app = app_on(tmp_path_factory.mktemp("registered"), model_holder)
    client = app.test_client()
    prior, now = (client.post("/api/cases", data=file_parts(scans)).json["id"] for _ in range(2))
    with app.app_context():
        while queue_runner(app).run_next():
            pass
    mask = image_of(client.get(f"/api/cases/{now}/segmentation.nii.gz").data)
    part = file_of(changed(mask), mask.affine)
    assert client.post(f"/api/cases/{now}/masks", data={"mask": part}).status_code == 201
    address = f"/api/cases/{now}/priors/{prior}"
    answer = client.post(address)
    assert answer.status_code == 200, answer.text
    yield client, address, answer.json
    close(app)


def pixels(answer):
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.data))).astype(int)


def test_what_was_gained_is_the_cube(registered):
    client, address, found = registered
    assert found["registered"]["agreement"] == 1
    assert found["registered"]["rotation_deg"] == 0
    enhancing = found["subtraction"]["regions"]["enhancing"]
    assert (enhancing["gained_ml"], enhancing["lost_ml"]) == (1.0, 0.0)
    assert found["subtraction"]["new_lesions"] == {"count": 1, "measurable": 1, "ml": 1.0}
    assert found["sequences"] == ["flair", "t1", "t1ce", "t2"]
    assert client.get(address).json == found


def test_slices(registered, assert_error):
    client, address, _ = registered
    now = address.partition("/priors/")[0]
    prior = pixels(client.get(f"{address}/slices/axial/40.png?modality=t1ce&regions="))
    plain = pixels(client.get(f"{now}/overlay/axial/40.png?modality=t1ce&regions="))
    # The same scan, not moved.
    assert np.abs(prior - plain).max() <= 1
    # The file's voxels count towards left and posterior, slices towards right and anterior.
    for plane, index in (("axial", 6), ("coronal", 95 - 6), ("sagittal", 79 - 6)):
        change = pixels(client.get(f"{address}/change/{plane}/{index}.png?region=enhancing"))
        red = (change[..., 0] > change[..., 2] + 60) & (change[..., 0] > change[..., 1] + 60)
        assert red.sum() == 100, plane
    unmarked = pixels(client.get(f"{address}/change/axial/6.png?region=edema&modality=t2"))
    assert (unmarked[..., 0] == unmarked[..., 1]).all()
    for wrong, code in (
        ("axial/999.png", "not_found"),
        ("axial/6.png?modality=x", "bad_parameter"),
    ):
        status = 404 if code == "not_found" else 400
        assert_error(client.get(f"{address}/slices/{wrong}"), status, code)
        assert_error(client.get(f"{address}/change/{wrong}"), status, code)
    assert_error(client.get(f"{address}/change/axial/6.png?region=x"), 400, "bad_parameter")


def test_pictures_are_kept_by_browsers_under_their_stamp_alone(registered):
    client, address, _ = registered
    now, prior = address.split("/")[3], address.split("/")[5]
    with client.application.app_context():
        stamp = pairs.find(cases.find(now), cases.find(prior)).stamp
    url = f"{address}/slices/axial/40.png"
    assert client.get(f"{url}?stamp={stamp}").headers["Cache-Control"].endswith("immutable")
    assert client.get(f"{url}?stamp=0").headers["Cache-Control"].endswith("no-cache")


def test_page(registered):
    client, address, _ = registered
    now, prior = address.split("/")[3], address.split("/")[5]
    page = client.get(f"/compare?first={prior}&second={now}&modality=t2&plane=coronal&slice=8").text
    assert page.count('class="compare-picture"') == 3
    assert "coronal/7.png" in page and "modality=t2" in page
    assert "New enhancing lesions" in page
    assert client.get(f"/compare?first={prior}&second={now}&slice=x&plane=x").status_code == 200


def test_new_lesions_reach_the_series(registered):
    client, address, _ = registered
    now, prior = address.split("/")[3], address.split("/")[5]
    key = client.get(f"/api/cases/{prior}/time-point").json["patient"]
    client.patch(f"/api/cases/{now}/time-point", data={"patient": key})
    *_, last = client.get(f"/api/patients/{key}").json["examinations"]
    assert last["id"] == now
    assert last["followed"]["new_lesions"]["count"] == 1
    assert last["followed"]["categories"]["rano_2_volume"]["reason"] == "new_lesion"


def test_asked_for_first_and_again_after_a_correction(two, assert_error, monkeypatch):
    _, client, now, prior = two
    address = f"/api/cases/{now}/priors/{prior}"
    assert_error(client.get(address), 404, "not_registered")
    assert_error(client.get(f"{address}/slices/axial/4.png"), 404, "not_registered")
    form = client.post(f"/cases/{now}/priors/{prior}")
    assert form.location == f"/compare?first={prior}&second={now}"
    mask = image_of(client.get(f"/api/cases/{prior}/segmentation.nii.gz").data)
    part = file_of(changed(mask), mask.affine)
    client.post(f"/api/cases/{prior}/masks", data={"mask": part})
    assert_error(client.get(address), 404, "not_registered")
    # How the scans lie to each other is known.
    monkeypatch.setattr(pairs, "register_pair", None)
    found = client.post(address).json
    assert found["subtraction"]["regions"]["enhancing"]["lost_ml"] == 1.0


@pytest.mark.parametrize("which", [0, 1])
def test_it_goes_with_either_case(two, which):
    app, client, *ids = two
    assert client.post(f"/api/cases/{ids[0]}/priors/{ids[1]}").status_code == 200
    data_dir = app.config["SETTINGS"].data_dir
    assert (data_dir / "cases" / ids[0] / "registered" / ids[1]).is_dir()
    assert not list((data_dir / "staging").iterdir())
    client.delete(f"/api/cases/{ids[which]}")
    assert not [path for path in data_dir.rglob("*") if ids[which] in path.name]
    assert not list(data_dir.rglob("registered/*"))


def test_new_results_have_nothing_registered_to_them(two):
    app, client, now, prior = two
    assert client.post(f"/api/cases/{now}/priors/{prior}").status_code == 200
    client.post(f"/api/cases/{now}/preparation")
    with app.app_context():
        queue_runner(app).run_next()
    assert client.get(f"/api/cases/{now}/priors/{prior}").status_code == 404


def test_only_for_whoever_may_read_both(two, assert_error):
    app, client, now, prior = two
    client.post(f"/api/cases/{now}/priors/{prior}")
    with app.app_context():
        who = bearer(users.new_token(users.add("anna", PASSWORD)))
        users.add("root", PASSWORD, is_admin=True)
        admin = bearer(users.new_token(users.find("root")))
    client.put(f"/api/cases/{now}/shares/anna", headers=admin)
    address = f"/api/cases/{now}/priors/{prior}"
    for url in (address, f"{address}/slices/axial/4.png", f"{address}/change/axial/4.png"):
        assert_error(client.get(url, headers=who), 404, "not_found")
        assert client.get(url, headers=admin).status_code == 200
    assert_error(client.post(address, headers=who), 404, "not_found")
    assert_error(client.get(f"/api/cases/{now}/priors/{now}", headers=who), 400, "two_cases")
