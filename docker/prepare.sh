#!/bin/sh
# Make what is missing in secrets/: `prepare.sh [--self-signed]`. What is there is never changed.
#
# The folder is closed to everybody else (0700); the files in it are open (0444), because each is mounted into
# containers that run as another user. --self-signed also makes a CA and a certificate for the names in .env,
# for trying; otherwise put tls_cert (the chain), tls_key and ca (the root that signed it) there, as PEM.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets

keep() { # NAME: standard input becomes secrets/NAME, unless that is there
  if [ -s "secrets/$1" ]; then cat >/dev/null; return; fi
  cat > "secrets/.$1.new"
  chmod 444 "secrets/.$1.new"
  mv "secrets/.$1.new" "secrets/$1"
}

setting() { sed -n "s/^$1=//p" .env | tail -n 1; }

random() { openssl rand -hex "$1" | tr -d '\n'; }

random 32 | keep secret_key
random 32 | keep jwt_signing_keys
random 24 | keep postgres_password
random 24 | keep redis_password
[ -e secrets/email_password ] || printf '' | keep email_password
printf 'postgres://imager:%s@postgres:5432/imager' "$(cat secrets/postgres_password)" | keep database_url
printf 'redis://:%s@redis:6379/0' "$(cat secrets/redis_password)" | keep redis_url

[ "${1:-}" = --self-signed ] && [ ! -s secrets/tls_cert ] || exit 0
names=
for name in SERVER_NAME WAREHOUSE_NAME BROKER_NAME; do
  value=$(setting $name)
  [ "$value" ] || { echo "prepare.sh: $name is missing in .env: add it, as in env.example." >&2; exit 1; }
  names="$names${names:+,}DNS:$value"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=Imager Service, for trying" \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
  -keyout "$work/ca.key" -out "$work/ca" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj "/CN=$(setting SERVER_NAME)" \
  -keyout "$work/key" -out "$work/request" 2>/dev/null
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$names" > "$work/extensions"
openssl x509 -req -in "$work/request" -CA "$work/ca" -CAkey "$work/ca.key" -CAcreateserial -days 397 \
  -extfile "$work/extensions" -out "$work/cert" 2>/dev/null
keep tls_key < "$work/key"
keep ca < "$work/ca"
keep tls_cert < "$work/cert"
