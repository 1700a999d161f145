#!/bin/sh
# Run once by the postgres image at its first start: a database for each service that has one, owned by a role of that name.
set -eu

for service in lobby notification rtmanager; do
    psql --username="$POSTGRES_USER" --dbname=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
        --variable=service="$service" --variable=password="$POSTGRES_PASSWORD" <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
