#!/bin/sh
# Installs the programs that lstmd is measured against, from PyPI, each one's current release:
#
#   tests/bench/install_peers.sh FOLDER
#
# FOLDER becomes a Python virtual environment with ONNX Runtime, OpenVINO and oneDNN, and
#   FOLDER/peers/openvino/{include,lib}       OpenVINO's C interface
#   FOLDER/peers/onednn/{include,lib}         oneDNN as Intel packages it now: SYCL over TBB
#   FOLDER/peers/onednn-openmp/lib            the last plain OpenMP build of it on PyPI (3.2)
# Nothing outside FOLDER is touched. PyTorch is left out: its wheel wants gigabytes of CUDA to be
# imported, and on a CPU its LSTM is oneDNN's.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
venv=$1

echo "installing the peers into $venv (2.5 GB)"
python3 -m venv "$venv"
pip="$venv/bin/python -m pip --quiet --disable-pip-version-check"
$pip install --upgrade numpy onnx onnxruntime openvino onednn onednn-devel

# This one would overwrite the other's libdnnl.so, so it is only unpacked.
wheels=$venv/wheels
rm -rf "$wheels" "$venv/peers/onednn-openmp"
$pip download --no-deps --dest "$wheels" onednn-cpu-iomp
"$venv/bin/python" -m zipfile -e "$wheels"/*.whl "$wheels"
mkdir -p "$venv/peers/onednn-openmp"
mv "$wheels"/*.data/data/lib "$venv/peers/onednn-openmp/lib"
rm -rf "$wheels"

# One folder for headers and one for libraries, whatever the Python version and the build number.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$venv/peers/openvino/lib" "$venv/peers/onednn"
ln -sfn "$site/openvino/include" "$venv/peers/openvino/include"
for library in "$site"/openvino/libs/*.so*; do
    ln -sf "$library" "$venv/peers/openvino/lib/"
done
ln -sf "$(ls "$site"/openvino/libs/libopenvino_c.so.*)" "$venv/peers/openvino/lib/libopenvino_c.so"
ln -sfn "../../include" "$venv/peers/onednn/include"
ln -sfn "../../lib" "$venv/peers/onednn/lib"

"$venv/bin/python" -m pip --disable-pip-version-check list 2>/dev/null |
    grep -E '^(numpy|onnx|onnxruntime|openvino|onednn) '
