"""gunicorn: threads serve requests, in one process, since the model and the queue live in it.

With BTS_BROKER_URL they live elsewhere, and WEB_CONCURRENCY says how many processes there are.
"""

import os
import shutil
import tempfile

wsgi_app = "wsgi:app"
# Patients' scans: other machines reach the server only if PORT or --bind says so.
bind = f"0.0.0.0:{os.environ['PORT']}" if "PORT" in os.environ else "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "2")) if os.environ.get("BTS_BROKER_URL") else 1
# gthread with time-outs for slow clients.
worker_class = "gunicorn_worker.Worker"
# Most of them wait, for clients or for another upload's check, and cost little.
threads = 64
# The model is loaded in the worker: a process that has built a network must not fork.
preload_app = False
# Seconds until a worker counts as hung; loading the model takes longest.
timeout = 120
# Seconds that requests may take to end after SIGTERM.
graceful_timeout = 30
# Headers of proxies are believed as BTS_PROXY_HOPS says, by the app. Left alone, gunicorn would let
# whoever is at this machine set scheme, SCRIPT_NAME and PATH_INFO; through a socket file anybody.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers = {}
# `X_Forwarded_For` is not `X-Forwarded-For`.
header_map = "drop"
# No command socket in the home folder: nothing here uses it.
control_socket_disable = True

if os.environ.get("BTS_LOG_FORMAT", "").lower() == "json":
    # The form of app/logs.py: gunicorn logs before the app exists.
    logconfig_dict = {
        # The app sets up the root logger if it has no handlers.
        "root": {"level": "WARNING", "handlers": []},
        "loggers": {
            "gunicorn.error": {"level": "INFO", "handlers": ["json"], "propagate": False},
        },
        "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
                "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            }
        },
    }

if workers > 1:
    # The processes share their counters in this folder.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="bts-metrics-")


def child_exit(server, worker):
    """Drop the gauges of a process that has ended; its counters are kept."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    """Delete the folder of counters."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


def post_worker_init(worker):
    """Tell the app its addresses: clients on other machines need a token."""
    from app.web import access

    names = [sock.getsockname() for sock in worker.sockets]
    access.announce(worker.wsgi, [name for name in names if isinstance(name, tuple)])
