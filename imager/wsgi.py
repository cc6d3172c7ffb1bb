"""The web application for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imager.settings.base")
django = get_wsgi_application()

from tasks_app.api.direct import SignsFirst  # noqa: E402  # models, which Django has to know first

application = SignsFirst(django)
