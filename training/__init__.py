"""From folders of labelled cases to the model artefact: prepare, train, evaluate, export."""

import os

# Before TensorFlow is imported anywhere: no chatter about absent GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow leaves oneDNN off where a processor has no AVX-512 for neural networks; with it, a training
# step on an AMD EPYC with AVX2 takes three quarters of the time on one thread, nine tenths on two.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
