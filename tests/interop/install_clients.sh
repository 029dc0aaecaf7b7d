#!/bin/sh
# Installs the clients that lstmd is driven with, from PyPI, each one's current release:
#
#   tests/interop/install_clients.sh FOLDER
#
# FOLDER becomes a Python virtual environment with tritonclient, KServe's client, the client that
# was generated from the Open Inference Protocol's OpenAPI, and
#   FOLDER/perf/bin/perf_analyzer    Triton's load generator, out of a tritonclient that carries it
#   FOLDER/schemathesis             an environment of its own, for its dependencies are its own
#   FOLDER/perf/lib                  the CUDA runtime it is linked to (nothing of it is used)
# Nothing outside FOLDER is touched.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
venv=$1

echo "installing the clients into $venv (0.6 GB)"
python3 -m venv "$venv"
pip="$venv/bin/python -m pip --quiet --disable-pip-version-check"
$pip install --upgrade 'tritonclient[http]' aiohttp requests kserve open-inference-openapi \
    kubernetes-validate
python3 -m venv "$venv/schemathesis"
"$venv/schemathesis/bin/python" -m pip --quiet --disable-pip-version-check install schemathesis

wheels=$venv/wheels
rm -rf "$wheels" "$venv/perf"
$pip download --no-deps --dest "$wheels" 'tritonclient==2.41.1' nvidia-cuda-runtime-cu12
for wheel in "$wheels"/*.whl; do
    "$venv/bin/python" -m zipfile -e "$wheel" "$wheels"
done
mkdir -p "$venv/perf/bin" "$venv/perf/lib"
mv "$wheels"/*.data/data/bin/perf_analyzer "$venv/perf/bin/"
chmod +x "$venv/perf/bin/perf_analyzer"
mv "$wheels"/nvidia/cuda_runtime/lib/libcudart.so.* "$venv/perf/lib/"
rm -rf "$wheels"

"$venv/bin/python" -m pip --disable-pip-version-check list 2>/dev/null |
    grep -E '^(tritonclient|kserve|open-inference-openapi|requests|numpy) '
