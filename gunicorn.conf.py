"""gunicorn: one process, since the model and the queue live in it; threads serve requests."""

import os

wsgi_app = "wsgi:app"
# Scans of patients: reachable from elsewhere only when that is asked for (PORT or --bind).
bind = f"0.0.0.0:{os.environ['PORT']}" if "PORT" in os.environ else "127.0.0.1:8000"
workers = 1
# gthread, and slow clients time out.
worker_class = "gunicorn_worker.Worker"
threads = 8
# The model is loaded in the worker: a process that has built a network must not fork.
preload_app = False
# Seconds until a worker counts as hung; loading the model is the longest silence.
timeout = 120
# Seconds that requests may take to end after SIGTERM.
graceful_timeout = 30
# No command socket in the home folder: nothing here uses it.
control_socket_disable = True


def post_worker_init(worker):
    """Tell the app where it listens: beyond this machine it asks for a token."""
    from app import access

    names = [sock.getsockname() for sock in worker.sockets]
    access.announce(worker.wsgi, [name for name in names if isinstance(name, tuple)])
