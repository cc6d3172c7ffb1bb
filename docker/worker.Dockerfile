# Hosts: `python -m workers creator`, `python -m workers.whost run`. No Django here.
FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/worker.txt /tmp/worker.txt
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --require-hashes --no-deps --only-binary :all: -r /tmp/worker.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    IMAGER_CONFIG=/var/lib/imager/host.toml IMAGER_DATA=/var/lib/imager
RUN apt-get update \
 && apt-get install -y --no-install-recommends e2fsprogs \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /tmp --shell /usr/sbin/nologin imager \
 && install -d -o imager -g imager -m 0700 /var/lib/imager
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/imager
COPY workers workers
RUN python -m compileall -q workers
USER imager
VOLUME /var/lib/imager
# Settings, server and account are right. It logs in at most once an hour: tokens are kept.
HEALTHCHECK --interval=60s --timeout=30s --start-period=30s --retries=5 CMD ["python", "-m", "workers.whost", "status", "--json"]
CMD ["python", "-m", "workers", "creator"]
