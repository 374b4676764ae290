# Everything runs in .venv, which uv builds from uv.lock; uv itself is fetched if it is missing.
.DEFAULT_GOAL := help
.PHONY: help run test lint format bench train card requirements clean

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATA ?= ../shared/data
IMAGENET ?=
# Inference and post-processing of the shipped model, as chosen on the validation patients.
EXPORT ?= --min-component-ml 0.3 --min-enhancing-ml 0.1
# What a reader of the model card must know of these two runs.
NOTE ?= The run was started for 45 epochs and cut to 32 after 7 of them; from a fresh start the same settings give a slightly lower learning rate in those first epochs. The last 25 epochs took 53 minutes on two CPU cores that did other work as well. The ImageNet weights were recovered from an 8-bit MobileNetV2.
BASELINE_NOTE ?= The Simple U-Net was trained on the same patches for 500 steps (21 minutes), MobileUNet for 3,200: a first look, not a fair race.

# An NVIDIA GPU is used through TensorFlow, which a CPU can do without.
SERVE := $(if $(shell command -v nvidia-smi 2>/dev/null),--extra gpu,)
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
RUN := $(UV) run --frozen --no-sync

# The machine's own certificates: networks with a TLS proxy add theirs there.
export UV_SYSTEM_CERTS := 1

help:  ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv

run: $(filter .uv/%,$(UV))  ## build what is missing and start the app
	$(UV) sync --frozen --quiet --inexact --no-dev $(SERVE)
	$(RUN) gunicorn --bind $(HOST):$(PORT)

test: $(filter .uv/%,$(UV))  ## build what is missing and run all tests
	$(UV) sync --frozen --quiet --all-groups --extra train
	$(RUN) pytest

lint: $(filter .uv/%,$(UV))  ## check style and formatting
	$(UV) sync --frozen --quiet --all-groups --extra train
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format:  ## put imports and layout in order
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: $(filter .uv/%,$(UV))  ## measure speed and memory, rewrite benchmarks/README.md
	$(UV) sync --frozen --quiet --all-groups --extra train
	$(RUN) python -m benchmarks.bench

train: $(filter .uv/%,$(UV))  ## prepare DATA, train both networks, export and evaluate MobileUNet
	$(UV) sync --frozen --quiet --all-groups --extra train
	$(RUN) python -m training.prepare $(DATA) --out runs/data
	$(RUN) python -m training.train --network mobile_unet --out runs/mobile_unet $(if $(IMAGENET),--imagenet $(IMAGENET),)
	$(RUN) python -m training.train --network simple_unet --out runs/simple_unet --epochs 5
	$(MAKE) card DATA=$(DATA)

card: $(filter .uv/%,$(UV))  ## export and score the networks of runs/, rewrite MODEL_CARD.md
	$(RUN) python -m training.export --run runs/simple_unet --out runs/simple_unet/artefact
	$(RUN) python -m training.evaluate $(DATA) --only test --model-dir runs/simple_unet/artefact --json runs/simple_unet/test.json
	$(RUN) python -m training.export --run runs/mobile_unet $(EXPORT)
	$(RUN) python -m training.evaluate $(DATA) --only test --json runs/mobile_unet/test.json
	$(RUN) python -m training.export --run runs/mobile_unet $(EXPORT) --scores runs/mobile_unet/test.json
	$(RUN) python -m training.model_card --test runs/mobile_unet/test.json --baseline runs/simple_unet/test.json --note "$(NOTE)" --baseline-note "$(BASELINE_NOTE)"

requirements:  ## export uv.lock for users of pip
	@$(UV) export --frozen --quiet --no-dev --no-hashes --extra tensorflow --no-emit-project -o requirements.txt

clean:  ## remove environments and caches, keep data and runs
	rm -rf .venv .uv .pytest_cache .ruff_cache .hypothesis static/vendor
