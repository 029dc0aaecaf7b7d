#!/bin/sh
# Installs the servers that lstmd is compared with, from PyPI and npm, each one's current release:
#
#   tests/bench/serving/install.sh FOLDER
#
#   FOLDER/mlserver   a virtual environment with MLServer, ONNX Runtime, and what writes the model
#   FOLDER/fastapi    one with FastAPI, uvicorn and ONNX Runtime
#   FOLDER/node       onnxruntime-node
# Nothing outside FOLDER is touched.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
folder=$1

for program in node npm; do
    command -v "$program" >/dev/null || {
        echo "$0: $program is not there (Debian: apt-get install nodejs npm)" >&2
        exit 1
    }
done

#   environment NAME PACKAGE...
environment() {
    venv=$folder/$1
    shift
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check install --upgrade "$@"
}

echo "installing MLServer, FastAPI and onnxruntime-node into $folder (1 GB)"
# MLServer 1.7's workers end at once with the event loop of uvloop 0.22 and later.
environment mlserver mlserver 'uvloop<0.22' onnxruntime onnx numpy
environment fastapi fastapi 'uvicorn[standard]' orjson onnxruntime numpy
# The processor's library comes with the package; its install script would fetch the one for CUDA.
mkdir -p "$folder/node"
(cd "$folder/node" && npm install --silent --no-fund --no-audit --ignore-scripts onnxruntime-node)
