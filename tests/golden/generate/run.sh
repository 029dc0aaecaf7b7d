#!/bin/sh
# Makes golden cases anew by the frameworks themselves, installed from PyPI and npm:
#
#   tests/golden/generate/run.sh VENV [NAME]...
#
# VENV is made if it is not there (7 GB), and VENV/node with TensorFlow.js for the .mjs. Runs NAME.py
# or NAME.mjs of this folder for each NAME, or all of them. What they write is committed: the tests
# need none of this. Results differ in their last bits from one framework version to the next.
set -eu

if [ $# -eq 0 ]; then
    echo "usage: $0 VENV [NAME]..." >&2
    exit 2
fi
here=$(dirname "$0")
venv=$1
shift

if [ ! -e "$venv/installed" ] || [ "$here/requirements.txt" -nt "$venv/installed" ]; then
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check install -r "$here/requirements.txt"
    touch "$venv/installed"
fi
run_node() {
    if ! command -v npm >/dev/null; then
        echo "$0: npm is not there (Debian: apt-get install nodejs npm)" >&2
        exit 1
    fi
    if [ ! -e "$venv/node/node_modules" ]; then
        npm install --silent --no-fund --no-audit --prefix "$venv/node" @tensorflow/tfjs@4.22.0
    fi
    # A module finds its packages from where it lies itself.
    cp "$here/$1" "$venv/node"
    node "$venv/node/$1" "$here/.."
}

# keras_numpy looks at what the others made.
[ $# -ne 0 ] || set -- $(cd "$here" && ls *.py *.mjs | grep -v keras_numpy | sed 's/\.[a-z]*$//') \
    keras_numpy
for name; do
    echo "golden: $name"
    if [ -e "$here/$name.mjs" ]; then
        run_node "$name.mjs"
    else
        "$venv/bin/python" -B "$here/$name.py" "$here/.."
    fi
done
