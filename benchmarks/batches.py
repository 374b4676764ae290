"""How the network's rate depends on the slices in a batch, and how busy a GPU is meanwhile."""

import shutil
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.report import Measurement, timed
from benchmarks.serving import network_inputs
from model.card import DEFAULT_DIR, read_card
from model.inference.engines import EngineName, load_engine
from model.io.case import find_case_files, load_case

BATCHES = (1, 2, 4, 8, 16, 32)


def measure_batches(case_dir: Path, engine: EngineName, repeats: int) -> list[Measurement]:
    """Time the network on one case for each batch size, with the engine that serving would use."""
    card = read_card(DEFAULT_DIR)
    case = load_case(find_case_files(case_dir))
    results = []
    for batch in BATCHES:
        sized = replace(card, inference=replace(card.inference, batch=batch, gpu_batch=batch))
        loaded = load_engine(DEFAULT_DIR, sized, engine)
        inputs = network_inputs(case, sized, loaded)
        work = partial(loaded.run, inputs, lambda index, result: None)
        with Utilisation() as used:
            time_s = timed("", work, repeats)
        rates = tuple(len(inputs) * batch / value for value in time_s.values)
        note = f"{loaded.device}, {loaded.precision}{used.text()}"
        results.append(Measurement(f"batches of {batch}", rates, "slices/s", note))
    return results


class Utilisation:
    """Samples the first NVIDIA GPU's utilisation while the block runs; nothing without one."""

    def __enter__(self) -> "Utilisation":
        self._sampler = None
        if shutil.which("nvidia-smi"):
            query = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--loop-ms=100"]
            self._sampler = subprocess.Popen(
                [*query, "--format=csv,noheader,nounits"], stdout=subprocess.PIPE, text=True
            )
        return self

    def __exit__(self, *_) -> None:
        self._percent: list[int] = []
        if self._sampler:
            self._sampler.terminate()
            lines, _ = self._sampler.communicate()
            self._percent = [int(line) for line in lines.split() if line.isdigit()]

    def text(self) -> str:
        if not self._percent:
            return ""
        return f", GPU busy {sum(self._percent) / len(self._percent):.0f} % of the time"
