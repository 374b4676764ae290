# `docker build .` makes the CPU image (OpenVINO, no TensorFlow), `docker build --target gpu .` the
# one for NVIDIA GPUs. Both serve pages by default and work through the queue with another command.
ARG PYTHON=python:3.11-slim-bookworm
ARG NODE=node:22-bookworm-slim

# The locked packages.
FROM ${PYTHON} AS packages
RUN pip install --no-cache-dir "uv==0.13.9"
WORKDIR /build
COPY pyproject.toml uv.lock ./
ENV UV_PROJECT_ENVIRONMENT=/opt/venv \
    UV_COMPILE_BYTECODE=1 \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never
RUN uv sync --frozen --no-dev --extra scale

FROM packages AS packages-gpu
RUN uv sync --frozen --no-dev --extra scale --extra gpu

# The 3-D pane of the pages.
FROM ${NODE} AS pages
WORKDIR /pages
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund

# The app with its model.
FROM scratch AS code
WORKDIR /app
COPY wsgi.py celery_worker.py gunicorn.conf.py gunicorn_worker.py .flaskenv ./
COPY model model
COPY templates templates
COPY static static
COPY --from=pages /pages/node_modules/@niivue/niivue/dist/index.js static/vendor/niivue.js
COPY app app

# What both images share. Nothing below needs root, or writes anywhere but to /data and /tmp.
FROM ${PYTHON} AS base
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin app \
    && install -d -o app -g app -m 700 /data
WORKDIR /app
# PORT makes gunicorn listen on all addresses of the container; publish it with -p.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORT=8000 \
    BTS_DATA_DIR=/data \
    BTS_PUBLIC_URL=http://127.0.0.1:8000
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
CMD ["gunicorn"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="BraTS MobileUNet" \
      org.opencontainers.image.description="Brain tumour segmentation in MRI. Research use only." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.7.0" \
      org.opencontainers.image.revision="${REVISION}"

FROM base AS gpu
# What NVIDIA's container toolkit is to bring along.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=packages-gpu /opt/venv /opt/venv
COPY --from=code /app /app

# Last, so that it is what is built by default.
FROM base AS cpu
COPY --from=packages /opt/venv /opt/venv
COPY --from=code /app /app
