# CPU image: OpenVINO, no TensorFlow. `docker build -t brats-mobileunet .`
FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir "uv==0.13.*"
WORKDIR /app
COPY pyproject.toml uv.lock ./
ENV UV_PROJECT_ENVIRONMENT=/opt/venv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN uv sync --frozen --no-dev --no-cache

# The 3-D viewer of the pages.
FROM node:22-bookworm-slim AS pages
WORKDIR /pages
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="BraTS MobileUNet" \
      org.opencontainers.image.description="Brain tumour segmentation in MRI. Research use only." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --create-home app && install -d -o app -g app /data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY app app
COPY model model
COPY static static
COPY --from=pages /pages/node_modules/@niivue/niivue/dist/index.js static/vendor/niivue.js
COPY templates templates
COPY wsgi.py gunicorn.conf.py gunicorn_worker.py .flaskenv ./
# PORT makes gunicorn listen on all addresses of the container; publish it with -p.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 BTS_DATA_DIR=/data PORT=8000
USER app
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz')"]
CMD ["gunicorn"]
