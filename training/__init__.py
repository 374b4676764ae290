"""From folders of labelled cases to the model artefact: prepare, train, evaluate, export."""

import os

# Before TensorFlow is imported anywhere: no chatter about absent GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
