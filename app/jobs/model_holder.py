"""The Segmenter of this process, loaded once."""

import importlib
import logging
import threading
from contextlib import suppress

from app.config import Settings
from app.errors import StartupError
from model.card import DEFAULT_DIR, ModelCard
from model.errors import ModelError
from model.inference.segmenter import Segmenter, card_for

log = logging.getLogger(__name__)

# Modules imported at first use. Importing them in the background spares the first case half a second.
FOR_FIRST_CASE = ("scipy.fft", "scipy.ndimage", "scipy.spatial")


class ModelHolder:
    """Loads the model at the first `get()` and keeps it; safe to call from several threads."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._lock = threading.Lock()
        self._segmenter: Segmenter | None = None

    @property
    def loaded(self) -> Segmenter | None:
        """The segmenter if it has been loaded."""
        return self._segmenter

    @property
    def card(self) -> ModelCard:
        """The model card, read without loading the model. Raises StartupError without a model."""
        if self._segmenter is not None:
            return self._segmenter.card
        try:
            return card_for(self._settings.model_dir or DEFAULT_DIR, self._settings.quality)
        except ModelError as error:
            raise unusable(error) from error

    def get(self) -> Segmenter:
        """Return the segmenter. Raises StartupError when the model cannot be used."""
        with self._lock:
            if self._segmenter is None:
                self._segmenter = self._load()
            return self._segmenter

    def begin(self) -> None:
        """Start loading the model in a thread; `get()` waits for it and raises its errors."""

        def load() -> None:
            segmenter = None
            with suppress(StartupError):
                segmenter = self.get()
            for name in FOR_FIRST_CASE:
                importlib.import_module(name)
            if segmenter:
                segmenter.warm_up()

        threading.Thread(target=load, name="model").start()

    def _load(self) -> Segmenter:
        settings = self._settings
        try:
            segmenter = Segmenter.load(
                settings.model_dir,
                engine=settings.engine,
                device=settings.device,
                precision=settings.precision,
                quality=settings.quality,
            )
        except ModelError as error:
            raise unusable(error) from error
        provenance = segmenter.provenance
        log.info("model loaded: %s on %s", provenance.engine, provenance.text)
        return segmenter


def unusable(error: ModelError) -> StartupError:
    """Return the error at start for a model that is missing or damaged."""
    return StartupError(f"The model cannot be used: {error}")
