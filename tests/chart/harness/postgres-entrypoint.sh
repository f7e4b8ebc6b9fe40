#!/bin/bash
# What the official PostgreSQL image does before its server starts, for the variables that its documentation names:
# POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA, and scripts in
# /docker-entrypoint-initdb.d. It does not change users: the pod says which one it is.
set -euo pipefail

if [[ ${1:-} == -* ]]; then
  set -- postgres "$@"
fi
if [[ ${1:-} != postgres || -s $PGDATA/PG_VERSION ]]; then
  exec "$@"
fi
if [[ $(id -u) == 0 ]]; then
  echo "this stand-in for the image does not leave root by itself: set runAsUser" >&2
  exit 1
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
if [[ -z ${POSTGRES_PASSWORD:-} && $method != trust ]]; then
  echo "POSTGRES_PASSWORD is not set" >&2
  exit 1
fi

mkdir -p "$PGDATA"
chmod 0700 "$PGDATA"
# shellcheck disable=SC2086 # several arguments in one variable is the image's contract
initdb --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-}") ${POSTGRES_INITDB_ARGS:-} \
  --pgdata="$PGDATA" > /dev/null
echo "host all all all $method" >> "$PGDATA/pg_hba.conf"
socket=/var/run/postgresql
printf "%s\n" "listen_addresses = '*'" "unix_socket_directories = '$socket'" >> "$PGDATA/postgresql.conf"

# The first server is reachable on its socket alone.
export PGHOST=$socket PGUSER=$user PGPASSWORD=${POSTGRES_PASSWORD:-}
pg_ctl --pgdata="$PGDATA" --silent --wait --options="-c listen_addresses=''" start > /dev/null
if [[ $database != postgres ]]; then
  createdb "$database"
fi
for script in /docker-entrypoint-initdb.d/*; do
  case $script in
    *.sh) if [[ -x $script ]]; then "$script"; else . "$script"; fi ;;
    *.sql) psql --no-psqlrc --set=ON_ERROR_STOP=1 --dbname="$database" --file="$script" ;;
  esac
done
pg_ctl --pgdata="$PGDATA" --silent --wait --mode=fast stop
unset PGHOST PGUSER PGPASSWORD
exec "$@"
