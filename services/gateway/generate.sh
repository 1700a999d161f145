#!/bin/sh
# Writes gateway/wire/ from api/ (python and .pyi). Needs grpcio-tools and mypy-protobuf in the environment of
# the interpreter named by $PYTHON (default: python3). Another target directory may be given.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-"$here/gateway/wire"}
python=${PYTHON:-python3}
bin=$("$python" -c 'import os, sys; print(os.path.dirname(sys.executable))')
mkdir -p "$target"
"$python" -m grpc_tools.protoc --plugin=protoc-gen-mypy="$bin/protoc-gen-mypy" -I "$here/api" \
    --python_out="$target" --mypy_out="quiet:$target" "$here/api/gateway/v1/edge_gateway.proto"
