"""The network on a CPU through OpenVINO, in bfloat16 where the processor has it."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import openvino as ov

from model.card import OPENVINO, OPENVINO_BIN, ModelCard, verified


class OpenVinoEngine:
    """Asynchronous inference; each input shape is compiled once and kept."""

    name = "openvino"

    def __init__(self, folder: Path, card: ModelCard):
        self._core = ov.Core()
        # OpenVINO opens the .bin beside the .xml by itself, so both are verified first.
        verified(folder, card, OPENVINO_BIN)
        self._model = self._core.read_model(verified(folder, card, OPENVINO))
        self._compiled: dict[tuple[int, ...], ov.CompiledModel] = {}
        self.batch = card.inference.batch
        shape = (self.batch, *card.inference.shapes[0], card.channels)
        precision = self._compile(shape).get_property("INFERENCE_PRECISION_HINT").get_type_name()
        processor = self._core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        self.device = f"CPU: {processor}, {precision}"

    def run(
        self, batches: Iterable[np.ndarray], receive: Callable[[int, np.ndarray], None]
    ) -> None:
        queues: dict[tuple[int, ...], ov.AsyncInferQueue] = {}
        try:
            for index, batch in enumerate(batches):
                if batch.shape not in queues:
                    queue = queues[batch.shape] = ov.AsyncInferQueue(self._compile(batch.shape))
                    queue.set_callback(
                        lambda request, i: receive(i, request.get_output_tensor().data)
                    )
                queues[batch.shape].start_async({0: batch}, userdata=index)
        finally:
            # Also before an error leaves: requests in flight must not outlive their queue.
            for queue in queues.values():
                queue.wait_all()

    def _compile(self, shape: tuple[int, ...]) -> ov.CompiledModel:
        if shape not in self._compiled:
            model = self._model.clone()
            model.reshape(shape)
            self._compiled[shape] = self._core.compile_model(
                model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"}
            )
        return self._compiled[shape]
