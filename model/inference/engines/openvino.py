"""The networks on a CPU through OpenVINO, in bfloat16 where the processor has it."""

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import openvino as ov

from model.card import OPENVINO, OPENVINO_BIN, ModelCard, file_of, verified
from model.errors import ModelError
from model.inference.engines import PrecisionName

PRECISIONS = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16}


class OpenVinoEngine:
    """Asynchronous inference.

    Each network is compiled once, with dynamic shapes: as fast as one compiled for each shape, faster
    where shapes change from batch to batch, and compiled in a fraction of the time.
    """

    name = "openvino"

    def __init__(self, folder: Path, card: ModelCard, precision: PrecisionName = "auto"):
        self._core = ov.Core()
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bfloat16" and "BF16" not in capabilities:
            raise ModelError("This processor has no bfloat16; set BTS_PRECISION=auto.")
        self._options = {"PERFORMANCE_HINT": "THROUGHPUT"}
        if precision != "auto":
            self._options["INFERENCE_PRECISION_HINT"] = PRECISIONS[precision]
        self.batch, self.shapes = card.inference.batch, card.inference.shapes
        self.warm_shapes = self.shapes
        self._networks = [self._compile(folder, card, network) for network in range(card.networks)]
        first = self._networks[0]
        # One more than run at once, so that the next is ready when one ends.
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
        # Without OpenVINO's callbacks: its threads need the interpreter lock to release them, while a
        # thread that frees a network holds that lock and waits for OpenVINO's threads.
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
            # Also if there was an error: no request may go on unattended.
            for _, request in running:
                request.wait()

    def _compile(self, folder: Path, card: ModelCard, network: int) -> ov.CompiledModel:
        # OpenVINO opens the .bin beside the .xml itself, so both are verified before.
        verified(folder, card, file_of(OPENVINO_BIN, network))
        model = self._core.read_model(verified(folder, card, file_of(OPENVINO, network)))
        model.reshape([self.batch, -1, -1, card.channels])
        return self._core.compile_model(model, "CPU", self._options)
