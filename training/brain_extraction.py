"""Make the brain extraction that is shipped from the published deepbet package.

    pip download --no-deps deepbet==1.0.2
    pip install torch openvino
    python -m training.brain_extraction deepbet-1.0.2-py3-none-any.whl --out model/brain_extraction

The same wheel gives the same bytes. PyTorch is needed here only, never by the app.
"""

import argparse
import json
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path

import openvino as ov

from model.card import sha256
from model.preparation.brain_card import CARD, COARSE, FILES, FINE, LICENCE, BrainCard

SOURCE = "deepbet 1.0.2, https://pypi.org/project/deepbet/1.0.2/"
SOURCE_SHA256 = "1999e2ea00ec48f6233b95b96f3901a962d3f70431c63aeb985e8a49a198473c"
CITATION = (
    "Fisch L, et al. deepbet: Fast brain extraction of T1-weighted MRI using Convolutional Neural "
    "Networks. Computers in Biology and Medicine 179 (2024) 108845."
)
COMMAND = "python -m training.brain_extraction deepbet-1.0.2-py3-none-any.whl --out model/brain_extraction"
# The wheel's networks: name there, name here, edge of its input.
NETWORKS = (("bbox_model.pt", COARSE, 128), ("model.pt", FINE, 256))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="training.brain_extraction", description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    if sha256(options.wheel) != SOURCE_SHA256:
        parser.error(f"{options.wheel.name} is not the wheel of deepbet 1.0.2")
    options.out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(options.wheel) as wheel, tempfile.TemporaryDirectory() as folder:
        for inside, name, edge in NETWORKS:
            wheel.extract(f"data/models/{inside}", folder)
            convert(Path(folder, "data/models", inside), edge, options.out / name)
        (options.out / LICENCE).write_bytes(wheel.read("deepbet-1.0.2.dist-info/LICENSE"))
    card = BrainCard(
        name="deepbet",
        version="1.0.2",
        source=SOURCE,
        source_sha256=SOURCE_SHA256,
        licence="MIT",
        citation=CITATION,
        command=COMMAND,
        files={name: sha256(options.out / name) for name in FILES},
    )
    text = json.dumps(asdict(card), indent=1, ensure_ascii=False)
    (options.out / CARD).write_text(text + "\n", encoding="utf-8")


def convert(script: Path, edge: int, out: Path) -> None:
    """Write a TorchScript network of one (edge, edge, edge) volume as OpenVINO, in half precision."""
    import torch

    network = torch.jit.load(script, map_location="cpu").eval()
    shape = [1, 1, edge, edge, edge]
    converted = ov.convert_model(network, example_input=torch.zeros(shape), input=shape)
    ov.save_model(converted, out, compress_to_fp16=True)


if __name__ == "__main__":
    main()
