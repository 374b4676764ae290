"""What gunicorn loads; see gunicorn.conf.py."""

import sys

from app import create_app
from app.errors import StartupError

# gunicorn gives up at this exit code instead of starting the worker again and again.
WORKER_BOOT_ERROR = 3

try:
    app = create_app()
except StartupError as error:
    print(f"Error: {error.message}", file=sys.stderr)
    sys.exit(WORKER_BOOT_ERROR)
