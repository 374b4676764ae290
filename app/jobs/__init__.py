"""The queue of cases, and what runs them: this process, or Celery workers."""
