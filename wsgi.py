"""What gunicorn loads; see gunicorn.conf.py."""

import gc
import sys

# Whatever is made until the app stands will stay: to look for garbage among it only takes time.
gc.disable()

from app import create_app  # noqa: E402
from app.errors import StartupError  # noqa: E402

# gunicorn gives up at this exit code instead of starting the worker again and again.
WORKER_BOOT_ERROR = 3

try:
    app = create_app()
except StartupError as error:
    print(f"Error: {error.message}", file=sys.stderr)
    sys.exit(WORKER_BOOT_ERROR)
gc.freeze()
gc.enable()
