"""The shipped model: its card, its checksums, and both engines on it."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import openvino as ov
import pytest

from model.card import (
    CARD,
    DEFAULT_DIR,
    OPENVINO,
    OPENVINO_BIN,
    WEIGHTS,
    count_text,
    file_of,
    read_card,
    sha256,
    verified,
    write_card,
)
from model.errors import ModelError
from model.inference.engines import load_engine
from model.inference.segmenter import Segmenter
from training.scoring.scores import quick_dice


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(DEFAULT_DIR, tmp_path / "artefact")
    return tmp_path / "artefact"


def test_the_card_describes_the_files():
    card = read_card(DEFAULT_DIR)
    assert card.modalities == ("flair", "t1", "t1ce", "t2")
    assert card.channels == card.preprocessing.channels
    for name in card.files:
        assert verified(DEFAULT_DIR, card, name).is_file()
    assert sum(file.stat().st_size for file in DEFAULT_DIR.iterdir()) < 25e6
    assert card.scores["regions"]["WT"]["dice"] > 0.8


def test_cards_of_earlier_versions_are_read(copy):
    fields = json.loads((copy / "card.json").read_text())
    inference = fields["inference"]
    # As version 0.4 wrote it: another name, and shapes that are no longer kept.
    inference["attention"] = inference.pop("refinement_threshold")
    inference["warm_shapes"] = [[160, 192]]
    (copy / "card.json").write_text(json.dumps(fields))
    assert read_card(copy) == read_card(DEFAULT_DIR)


FILES = (WEIGHTS, OPENVINO, OPENVINO_BIN)


def test_the_files_of_every_network_are_told_apart():
    assert [file_of(name, 0) for name in FILES] == list(FILES)
    later = [file_of(name, 1) for name in FILES]
    assert later == ["network_2.weights.h5", "network_2.xml", "network_2.bin"]


@pytest.mark.parametrize("name", [WEIGHTS, OPENVINO_BIN, "network_2.weights.h5", "network_2.bin"])
def test_a_changed_file_is_never_opened(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        engine = "tensorflow" if name.endswith(".h5") else "openvino"
        Segmenter.load(copy, engine=engine, device="cpu")


@pytest.mark.parametrize("damage", ["missing", "not json", "field", "version"])
def test_a_wrong_card_is_a_clear_error(copy, damage):
    path = copy / CARD
    fields = json.loads(path.read_text())
    if damage == "missing":
        path.unlink()
    elif damage == "not json":
        path.write_text("{")
    else:
        extra = {"surprise": 1} if damage == "field" else {"format": 99}
        path.write_text(json.dumps(fields | extra))
    with pytest.raises(ModelError):
        Segmenter.load(copy)


def test_a_card_of_an_earlier_version_is_of_one_network(copy):
    fields = json.loads((copy / CARD).read_text())
    fields.pop("networks", None)
    fields["inference"]["warm_shapes"] = 3
    fields["inference"].pop("gpu_shapes")
    (copy / CARD).write_text(json.dumps(fields))
    card = read_card(copy)
    assert (card.networks, count_text(card.networks)) == (1, "")
    (copy / CARD).write_text(json.dumps(fields | {"networks": 2}))
    card = read_card(copy)
    assert count_text(card.networks) == "two networks"


def test_the_checksum_is_that_of_all_weights(copy):
    both = read_card(copy)
    one, two = (sha256(copy / file_of(WEIGHTS, network)) for network in (0, 1))
    assert both.weights == (one, two)
    (copy / "sums").write_text(f"{one}\n{two}\n")
    assert both.checksum == sha256(copy / "sums")
    write_card(copy, replace(both, networks=1))
    alone = read_card(copy)
    assert alone.weights == (one,) and alone.checksum == one
    # What is run does not change what the artefact is.
    assert replace(both, networks=1).checksum == both.checksum


def test_a_gpu_that_is_not_there_is_a_clear_error():
    card = read_card(DEFAULT_DIR)
    with pytest.raises(ModelError, match="CPU"):
        load_engine(DEFAULT_DIR, card, "openvino", "gpu")


def test_the_precision_is_what_was_asked_for_or_a_clear_error():
    card = read_card(DEFAULT_DIR)
    assert load_engine(DEFAULT_DIR, card, "openvino", precision="float32").precision == "f32"
    if "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert load_engine(DEFAULT_DIR, card, "openvino", precision="bfloat16").precision == "bf16"
    else:
        with pytest.raises(ModelError, match="BTS_PRECISION"):
            load_engine(DEFAULT_DIR, card, "openvino", precision="bfloat16")


def test_serving_on_a_cpu_imports_no_tensorflow():
    program = (
        "import sys; from model.inference.segmenter import Segmenter\n"
        "assert Segmenter.load(engine='openvino').provenance.engine == 'openvino'\n"
        "print([name for name in ('tensorflow', 'keras', 'training') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    assert done.stderr == ""


@pytest.mark.slow
def test_both_engines_give_the_same_labels(demo_case):
    case, truth = demo_case
    results = {
        name: Segmenter.load(engine=name, device="cpu").segment(case).labels
        for name in ("openvino", "tensorflow")
    }
    a, b = results.values()
    tumour = (a > 0) | (b > 0)
    # bfloat16 keeps 8 bits of a number: voxels on the border between two classes can tip over.
    assert np.mean(a[tumour] == b[tumour]) >= 0.999
    for short, value in quick_dice(truth, a).items():
        assert abs(value - quick_dice(truth, b)[short]) < 0.002
