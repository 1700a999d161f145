#!/bin/sh
# Becomes the server: `valkey-server`, `redis-server`, or options alone. It keeps nothing on disk, and takes clients from other
# containers, unless options say otherwise; a configuration file, if any, comes first.
set -eu

case ${1:-} in
    valkey-server | redis-server) shift ;;
    -*) ;;
    *) exec "$@" ;;
esac
case ${1:-} in
    '' | -*) ;;
    *)
        file=$1
        shift
        exec valkey-server "$file" --dir /data "$@"
        ;;
esac
exec valkey-server --protected-mode no --bind '* -::*' --dir /data --save '' --appendonly no "$@"
