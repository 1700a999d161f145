#!/bin/sh
# Makes the database cluster at the first start, then becomes the server. As the official image does, it reads POSTGRES_USER
# (postgres), POSTGRES_PASSWORD, POSTGRES_DB (as the user), POSTGRES_HOST_AUTH_METHOD, POSTGRES_INITDB_ARGS, each of the first three
# also as a _FILE, and runs /docker-entrypoint-initdb.d/*.sql and *.sh once.
set -eu

fail() {
    printf 'postgres image: %s\n' "$1" >&2
    exit 78
}

# Sets $1 from the file that $1_FILE names, if it does.
from_file() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    # shellcheck disable=SC2154  # set by eval
    if [ -n "$file" ]; then
        [ -z "$value" ] || fail "$1 and $1_FILE are both set: set one of them"
        [ -r "$file" ] || fail "$1_FILE names $file, which cannot be read: mount it readable for uid $(id -u)"
        eval "$1=\$(cat \"\$file\")"
    fi
}

make_cluster() {
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        fail 'POSTGRES_PASSWORD is not set: set it, or POSTGRES_HOST_AUTH_METHOD=trust where nobody else can connect'
    fi
    mkdir -p "$PGDATA" || fail "$PGDATA cannot be made: let uid $(id -u) write there"
    chmod 0700 "$PGDATA" || fail "$PGDATA belongs to somebody else: mount a directory of uid $(id -u), or the one above it"
    [ -z "$(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name new)" ] ||
        fail "$PGDATA holds something that is no database cluster: empty it, or mount another directory"
    secret=$(mktemp)
    printf '%s\n' "${POSTGRES_PASSWORD:-unused}" >"$secret"
    # A cluster that was made only in part is no cluster: it is made beside its place and moved there, its mark at last.
    rm -rf "$PGDATA/new"
    # shellcheck disable=SC2086  # several words
    initdb --pgdata="$PGDATA/new" --username="$POSTGRES_USER" --pwfile="$secret" --auth-local=trust \
        --auth-host="$method" --encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C \
        --no-instructions ${POSTGRES_INITDB_ARGS:-} >/dev/null
    rm -f "$secret"
    printf 'host all all all %s\n' "$method" >>"$PGDATA/new/pg_hba.conf"
    pg_ctl --pgdata="$PGDATA/new" --wait --silent --log=/dev/stderr --options="-c listen_addresses=''" start
    if [ "$POSTGRES_DB" != postgres ]; then
        run_sql postgres --variable=name="$POSTGRES_DB" <<-'SQL'
		CREATE DATABASE :"name";
		SQL
    fi
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sql) run_sql "$POSTGRES_DB" --file="$script" ;;
            *.sh) sh -eu "$script" ;;
            *'/*') ;;
            *) fail "$script is neither .sql nor .sh: rename or remove it" ;;
        esac
    done
    pg_ctl --pgdata="$PGDATA/new" --wait --silent --mode=fast stop
    find "$PGDATA/new" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$PGDATA" {} +
    mv "$PGDATA/new/PG_VERSION" "$PGDATA"
    rmdir "$PGDATA/new"
}

run_sql() {
    database=$1
    shift
    psql --username="$POSTGRES_USER" --dbname="$database" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"
}

case ${1:-} in
    -*) set -- postgres "$@" ;;
esac
if [ "${1:-}" = postgres ]; then
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER
    from_file POSTGRES_DB
    export POSTGRES_USER="${POSTGRES_USER:-postgres}"
    export POSTGRES_DB="${POSTGRES_DB:-$POSTGRES_USER}"
    [ -s "$PGDATA/PG_VERSION" ] || make_cluster
    unset POSTGRES_PASSWORD
    shift
    set -- postgres -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql,/tmp "$@"
fi
exec "$@"
