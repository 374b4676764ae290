"""The networks on a CPU through OpenVINO, in bfloat16 where the processor has it."""

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import openvino as ov

from model.card import OPENVINO, OPENVINO_BIN, ModelCard, file_of, verified


class OpenVinoEngine:
    """Asynchronous inference.

    Each network is compiled once for all shapes: as quick as a network for each of them, quicker
    where shapes change from batch to batch, and compiled in the time that one takes.
    """

    name = "openvino"

    def __init__(self, folder: Path, card: ModelCard):
        self._core = ov.Core()
        self.batch, self.shapes = card.inference.batch, card.inference.shapes
        self.warm_shapes = self.shapes
        self._networks = [self._compile(folder, card, network) for network in range(card.networks)]
        first = self._networks[0]
        # One more than are computed at once, so that the next is there when one ends.
        self._at_once = first.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1
        self.precision = first.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        processor = self._core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        self.device = f"CPU: {processor}"

    def run(
        self,
        batches: Iterable[np.ndarray],
        receive: Callable[[int, np.ndarray], None],
        network: int = 0,
    ) -> None:
        # No callbacks of OpenVINO's: its threads would want Python's lock to let go of them, and
        # whoever frees a network waits for those threads with that lock in hand.
        idle: list[ov.InferRequest] = []
        running: deque[tuple[int, ov.InferRequest]] = deque()

        def finish_first() -> None:
            index, request = running.popleft()
            request.wait()
            receive(index, request.get_output_tensor().data)
            idle.append(request)

        try:
            for index, batch in enumerate(batches):
                if len(running) == self._at_once:
                    finish_first()
                request = idle.pop() if idle else self._networks[network].create_infer_request()
                request.start_async({0: batch})
                running.append((index, request))
            while running:
                finish_first()
        finally:
            # Also before an error leaves: nothing may go on computing for nobody.
            for _, request in running:
                request.wait()

    def _compile(self, folder: Path, card: ModelCard, network: int) -> ov.CompiledModel:
        # OpenVINO opens the .bin beside the .xml by itself, so both are verified first.
        verified(folder, card, file_of(OPENVINO_BIN, network))
        model = self._core.read_model(verified(folder, card, file_of(OPENVINO, network)))
        model.reshape([self.batch, -1, -1, card.channels])
        return self._core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
