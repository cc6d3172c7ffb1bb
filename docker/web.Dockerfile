# Django: web (the default command), scheduler, server worker and management commands.
FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/web.txt /tmp/web.txt
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --require-hashes --no-deps --only-binary :all: -r /tmp/web.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=imager.settings.base STATIC_ROOT=/srv/static
RUN useradd --system --uid 10001 --user-group --home-dir /tmp --shell /usr/sbin/nologin imager
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/imager
COPY manage.py ./
COPY imager imager
COPY orders orders
COPY tasks_app tasks_app
COPY warehouse warehouse
COPY workers/__init__.py workers/errors.py workers/report.py workers/terminal.py workers/
COPY workers/contract workers/contract
# for verify_image, which runs `python -m workers.creator.verify`
COPY workers/imaging workers/imaging
COPY workers/creator/__init__.py workers/creator/verify.py workers/creator/
COPY templates templates
COPY locale locale
COPY docker/healthy.py docker/healthy.py
# The settings want to be complete; nothing is connected, and none of these values stays in the image.
RUN SECRET_KEY=building JWT_SIGNING_KEYS=building DATABASE_URL=postgres://none@127.0.0.1:9/none \
    REDIS_URL=redis://127.0.0.1:9/0 python manage.py collectstatic --noinput --verbosity 0 \
 && python -m compileall -q imager orders tasks_app warehouse workers \
 && install -d -o imager -g imager -m 0700 /srv/uploads
USER imager
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 CMD ["python", "docker/healthy.py"]
# 8000 is plain HTTP for a proxy that ends TLS (BEHIND_TLS_PROXY=1); compose.yml lets gunicorn do TLS itself.
CMD ["gunicorn", "-c", "python:imager.serving", "imager.wsgi", "--bind", "0.0.0.0:8000", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
