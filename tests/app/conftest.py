"""Apps on folders of their own, a small synthetic case, and the model loaded once."""

import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from app import config, create_app
from app.analysis import pipeline
from app.jobs.model_holder import ModelHolder
from app.jobs.queue_runner import queue_runner
from app.store import login_codes, tokens
from app.store.models import db
from model.io.modalities import MODALITIES
from model.io.nifti import write_scan
from model.io.nifti_header import Limits
from model.phantom import make_case
from model.preparation.plan import Options
from tests.app.corrections import changed, file_of, image_of

SMALL = (80, 96, 72)


class Finished(NamedTuple):
    """A segmented case with its app."""

    app: Flask
    client: FlaskClient
    id: str


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """Keep settings of whoever runs the tests out of them; the model may lie elsewhere."""
    for name in [name for name in os.environ if name.upper().startswith("BTS_")]:
        if name != "BTS_MODEL_DIR":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def phantom():
    """A small case and its labels: `(Case, (X, Y, Z) uint8)`."""
    return make_case(seed=1, shape=SMALL)


@pytest.fixture(scope="session")
def scans(phantom, tmp_path_factory) -> dict[str, Path]:
    """The small case as files `patient_<modality>.nii.gz`."""
    folder = tmp_path_factory.mktemp("patient")
    case, _ = phantom
    paths = {modality: folder / f"patient_{modality}.nii.gz" for modality in MODALITIES}
    for channel, path in enumerate(paths.values()):
        write_scan(path, np.rint(case.data[..., channel]).astype(np.int16), case.affine)
    return paths


@pytest.fixture(scope="session")
def model_holder():
    """The shipped model; it is loaded at its first use."""
    return ModelHolder(config.load_settings())


class TidyClient(FlaskClient):
    """Leaves no file open: encodes forms in memory, and reads answers to their ends."""

    def open(self, *args, buffered=True, **kwargs):
        return super().open(*args, buffered=buffered, **kwargs)

    def post(self, *args, data=None, **kwargs):
        if isinstance(data, dict):
            boundary, data = encode_multipart(MultiDict(form_fields(data)))
            kwargs["content_type"] = f"multipart/form-data; boundary={boundary}"
        return super().post(*args, data=data, **kwargs)


def form_fields(data: dict):
    """Yield the fields of a form; `(stream, name)` is a file, a list has several of one name."""
    for key, values in data.items():
        for value in values if isinstance(values, list) else [values]:
            yield key, FileStorage(*value, name=key) if isinstance(value, tuple) else value


def file_parts(scans: dict[str, Path]) -> dict[str, tuple[io.BytesIO, str]]:
    """Return scans as the parts of an upload."""
    return {key: (io.BytesIO(path.read_bytes()), path.name) for key, path in scans.items()}


def app_on(data_dir: Path, model_holder: ModelHolder, **overrides) -> Flask:
    """Build an app on a data folder, with the model that is loaded already."""
    app = create_app({"data_dir": data_dir, "TESTING": True} | overrides, serve=False)
    app.test_client_class = TidyClient
    app.extensions["model"] = model_holder
    return app


def close(app: Flask) -> None:
    """Close the database's connections."""
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def make_app(tmp_path, model_holder):
    """Return a function that builds apps on one data folder, with settings as it is told."""
    apps = []

    def make(**overrides):
        apps.append(app_on(tmp_path / "data", model_holder, **overrides))
        return apps[-1]

    yield make
    for app in apps:
        close(app)


@pytest.fixture
def parts(scans):
    """The small case as the parts of an upload."""
    return file_parts(scans)


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def upload(client, scans):
    """Return a function that posts the small case to the API, with parts changed as it is told."""

    def post(url="/api/cases", **parts):
        fields = file_parts(scans) | parts
        fields = {name: value for name, value in fields.items() if value is not None}
        return client.post(url, data=fields)

    return post


@pytest.fixture
def run_queue(app):
    """Return a function that runs everything that is queued, in this thread."""

    def run():
        with app.app_context():
            while queue_runner(app).run_next():
                pass

    return run


@pytest.fixture
def done(upload, run_queue) -> str:
    """The id of the small case, segmented for a test that changes it."""
    case_id = upload().json["id"]
    run_queue()
    return case_id


@pytest.fixture(scope="session")
def analysis(model_holder, scans):
    """What the pipeline finds in the small case."""
    names = {modality: path.name for modality, path in scans.items()}
    loaded = pipeline.load(scans, names=names, limits=Limits())
    ignore = lambda stage, fraction: None  # noqa: E731
    return pipeline.analyse(model_holder.get(), loaded, Options(), progress=ignore)


@pytest.fixture(scope="session")
def segmented() -> dict[tuple, pipeline.Analysis]:
    """What the pipeline found in scans that a test of this session has segmented, by their content."""
    return {}


def content(modality, volume) -> tuple:
    """Return what tells one scan from another."""
    placing = volume.placing.binaryblock
    return modality, hashlib.sha256(volume.data.tobytes()).hexdigest(), placing


@pytest.fixture(autouse=True)
def segment_once(monkeypatch, segmented):
    """Segment the same scans only once in a session: most tests need a result, not its making."""
    analyse = pipeline.analyse

    def remembered(segmenter, loaded, options, *, progress):
        card = segmenter.card
        hashes = [content(key, volume) for key, volume in loaded.scans.volumes.items()]
        drawn = loaded.brain is not None and loaded.brain.tobytes()
        key = (
            card.checksum,
            card.networks,
            card.inference.views,
            options,
            loaded.origin,
            drawn,
            *hashes,
        )
        for stage, fraction in (("load", 0.0), ("inference", 0.5)):
            progress(stage, fraction)
        if key not in segmented:
            segmented[key] = analyse(segmenter, loaded, options, progress=progress)
        progress("postprocess", 1.0)
        return segmented[key]

    monkeypatch.setattr(pipeline, "analyse", remembered)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, model_holder, scans):
    """The small case, segmented once for all tests that only look at it."""
    app = app_on(tmp_path_factory.mktemp("finished"), model_holder)
    client = app.test_client()
    case_id = client.post("/api/cases", data=file_parts(scans)).json["id"]
    with app.app_context():
        queue_runner(app).run_next()
    yield Finished(app, client, case_id)
    close(app)


@pytest.fixture(scope="session", params=["flair", "t2"])
def finished_without(request, tmp_path_factory, model_holder, scans):
    """The small case, segmented without one sequence: `(Finished, modality)`."""
    app = app_on(tmp_path_factory.mktemp("without"), model_holder)
    client = app.test_client()
    given = {modality: path for modality, path in scans.items() if modality != request.param}
    case_id = client.post("/api/cases", data=file_parts(given)).json["id"]
    with app.app_context():
        queue_runner(app).run_next()
    yield Finished(app, client, case_id), request.param
    close(app)


@pytest.fixture
def zip_of(scans):
    """Return a function that packs the small case, with further entries as it is told."""

    def pack(extra: dict[str, bytes] | None = None, prefix: str = "") -> io.BytesIO:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for path in scans.values():
                archive.write(path, prefix + path.name)
            for name, content in (extra or {}).items():
                archive.writestr(name, content)
        buffer.seek(0)
        return buffer

    return pack


@pytest.fixture
def assert_error():
    """Return a check of the one JSON shape of errors, which gives back the error."""

    def check(response, status: int, code: str) -> dict[str, str]:
        assert response.status_code == status, response.get_data(as_text=True)
        assert set(response.json) == {"error"}
        error = response.json["error"]
        assert set(error) <= {"code", "message", "hint", "file"}
        assert error["code"] == code
        assert error["message"]
        return error

    return check


@pytest.fixture
def assert_nothing_kept():
    """Return a check that an app holds no file and no row of a case."""

    def check(app) -> None:
        data_dir = app.config["SETTINGS"].data_dir
        assert not list((data_dir / "cases").iterdir())
        assert not list((data_dir / "staging").iterdir())
        assert app.test_client().get("/api/cases").json["total"] == 0

    return check


@pytest.fixture
def token(app):
    """The server's own token."""
    return tokens.rotate(app.config["SETTINGS"])


@pytest.fixture
def new_code(app):
    """Return a function that makes a code of a link, with which the operator signs in."""

    def make() -> str:
        with app.app_context():
            return login_codes.create_link("localhost", 8000).partition("?token=")[2]

    return make


@pytest.fixture(scope="module")
def urls():
    """Settings that name a real PostgreSQL and a real Redis."""
    # Imported here, since one process alone does without the drivers.
    from tests import services

    services.require("postgresql", "redis")
    with services.postgresql() as database_url, services.redis() as broker_url:
        yield {"database_url": database_url, "broker_url": broker_url}


@pytest.fixture
def scaled_out(make_app, urls):
    """An app whose cases are for workers; its database is empty again afterwards."""
    app = make_app(**urls, case_limit_s=60)
    yield app
    with app.app_context():
        for table in reversed(db.metadata.sorted_tables):
            db.session.execute(sa.delete(table))
        db.session.commit()


@pytest.fixture
def dispatcher(app):
    """The dispatcher of such an app, without its thread; the broker's queue is emptied."""
    # Imported here, since one process alone does without Celery.
    from app.jobs import celery_app

    found = queue_runner(app)
    with found._celery.connection_for_write() as connection:
        found._celery.amqp.queues[celery_app.QUEUE](connection.default_channel).purge()
    return found


@pytest.fixture
def url(done) -> str:
    """The address of a segmented case."""
    return f"/api/cases/{done}"


@pytest.fixture
def model_mask(client, url) -> nib.Nifti1Image:
    """What the model made of it."""
    return image_of(client.get(f"{url}/segmentation.nii.gz").data)


@pytest.fixture
def save(client, url, model_mask):
    """Return a function that posts a mask, by default one with a cube more than the model's."""

    def post(values=None, affine=None, **fields):
        values = changed(model_mask) if values is None else values
        affine = model_mask.affine if affine is None else affine
        return client.post(f"{url}/masks", data={"mask": file_of(values, affine)} | fields)

    return post
