"""The networks on a CPU through OpenVINO, in bfloat16 where the processor has it."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import openvino as ov

from model.card import OPENVINO, OPENVINO_BIN, ModelCard, file_of, verified


class OpenVinoEngine:
    """Asynchronous inference; each network is compiled once for an input shape, and kept."""

    name = "openvino"

    def __init__(self, folder: Path, card: ModelCard):
        self._core = ov.Core()
        self._models = [self._read(folder, card, network) for network in range(card.networks)]
        self._compiled: dict[tuple[int, tuple[int, ...]], ov.CompiledModel] = {}
        self.batch = card.inference.batch
        shape = (self.batch, *card.inference.shapes[0], card.channels)
        compiled = self._compile(0, shape)
        # One more than are computed at once, so that the next is there when one ends.
        self._at_once = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        processor = self._core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        self.device = f"CPU: {processor}, {precision}"

    def run(
        self,
        batches: Iterable[np.ndarray],
        receive: Callable[[int, np.ndarray], None],
        network: int = 0,
    ) -> None:
        # No callbacks of OpenVINO's: its threads would want Python's lock to let go of them, and
        # whoever frees a network waits for those threads with that lock in hand.
        idle: dict[tuple[int, ...], list[ov.InferRequest]] = defaultdict(list)
        running: deque[tuple[int, tuple[int, ...], ov.InferRequest]] = deque()

        def finish_first() -> None:
            index, shape, request = running.popleft()
            request.wait()
            receive(index, request.get_output_tensor().data)
            idle[shape].append(request)

        try:
            for index, batch in enumerate(batches):
                if len(running) == self._at_once:
                    finish_first()
                requests = idle[batch.shape]
                request = (
                    requests.pop()
                    if requests
                    else self._compile(network, batch.shape).create_infer_request()
                )
                request.start_async({0: batch})
                running.append((index, batch.shape, request))
            while running:
                finish_first()
        finally:
            # Also before an error leaves: nothing may go on computing for nobody.
            for _, _, request in running:
                request.wait()

    def _read(self, folder: Path, card: ModelCard, network: int) -> ov.Model:
        # OpenVINO opens the .bin beside the .xml by itself, so both are verified first.
        verified(folder, card, file_of(OPENVINO_BIN, network))
        return self._core.read_model(verified(folder, card, file_of(OPENVINO, network)))

    def _compile(self, network: int, shape: tuple[int, ...]) -> ov.CompiledModel:
        key = network, shape
        if key not in self._compiled:
            model = self._models[network].clone()
            model.reshape(shape)
            self._compiled[key] = self._core.compile_model(
                model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"}
            )
        return self._compiled[key]
