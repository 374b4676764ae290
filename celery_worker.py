"""What Celery loads: `celery -A celery_worker worker --pool solo`."""

import sys

from app import create_app
from app.errors import StartupError
from app.jobs.celery_worker import make_worker

try:
    flask_app = create_app(serve=False)
except StartupError as error:
    sys.exit(f"Error: {error.message}")
if not flask_app.config["SETTINGS"].broker_url:
    sys.exit("Error: A worker needs BTS_BROKER_URL and BTS_DATABASE_URL.")
celery = make_worker(flask_app)
