# The warehouse's FTP server: no Django, no database; two modules are all that it shares with the others.
FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# pyftpdlib comes as source only: its hash is checked like the others, the setuptools that packs it is not.
COPY requirements/warehouse.txt /tmp/warehouse.txt
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --require-hashes --no-deps --only-binary :all: --no-binary pyftpdlib -r /tmp/warehouse.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    WAREHOUSE_ROOT=/srv/warehouse WAREHOUSE_LISTEN=0.0.0.0:2121
# The same number as in the web image, which reads the images from this volume.
RUN useradd --system --uid 10001 --user-group --home-dir /tmp --shell /usr/sbin/nologin imager \
 && install -d -o imager -g imager -m 0700 /srv/warehouse
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/imager
COPY warehouse/__init__.py warehouse/
COPY warehouse/ftp warehouse/ftp
COPY workers/__init__.py workers/
COPY workers/contract workers/contract
RUN python -m compileall -q warehouse workers
USER imager
VOLUME /srv/warehouse
EXPOSE 2121
HEALTHCHECK --interval=15s --timeout=10s --start-period=10s --retries=4 \
  CMD ["python", "-c", "import ftplib; ftplib.FTP().connect('127.0.0.1', 2121, timeout=5)"]
CMD ["python", "-m", "warehouse.ftp"]
