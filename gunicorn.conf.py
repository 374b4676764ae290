"""gunicorn: threads serve requests, in one process, since the model and the queue live in it.

With BTS_BROKER_URL they live elsewhere, and WEB_CONCURRENCY says how many processes there are.
"""

import os
import shutil
import tempfile

wsgi_app = "wsgi:app"
# Scans of patients: reachable from elsewhere only when that is asked for (PORT or --bind).
bind = f"0.0.0.0:{os.environ['PORT']}" if "PORT" in os.environ else "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "2")) if os.environ.get("BTS_BROKER_URL") else 1
# gthread, and slow clients time out.
worker_class = "gunicorn_worker.Worker"
# Most wait, for clients or for their turn at a check, and cost next to nothing.
threads = 64
# The model is loaded in the worker: a process that has built a network must not fork.
preload_app = False
# Seconds until a worker counts as hung; loading the model is the longest silence.
timeout = 120
# Seconds that requests may take to end after SIGTERM.
graceful_timeout = 30
# No command socket in the home folder: nothing here uses it.
control_socket_disable = True

if os.environ.get("BTS_LOG_FORMAT", "").lower() == "json":
    # As app/logs.py writes its lines; gunicorn logs before there is an app.
    logconfig_dict = {
        # The app sets up its log where nobody else has.
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
    # What the processes count is added up in this folder.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="bts-metrics-")


def child_exit(server, worker):
    """Keep what a process has counted, but not what it alone could go on counting."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    """Leave nothing behind."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


def post_worker_init(worker):
    """Tell the app where it listens: beyond this machine it asks for a token."""
    from app.web import access

    names = [sock.getsockname() for sock in worker.sockets]
    access.announce(worker.wsgi, [name for name in names if isinstance(name, tuple)])
