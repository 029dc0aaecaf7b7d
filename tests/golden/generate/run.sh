#!/bin/sh
# Makes golden cases anew by the frameworks themselves, installed from PyPI:
#
#   tests/golden/generate/run.sh VENV [NAME]...
#
# VENV is made if it is not there. Runs NAME.py of this folder for each NAME, or all of them. What
# they write is committed: the tests need no Python. Results differ in their last bits from one
# framework version to the next.
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
[ $# -ne 0 ] || set -- $(cd "$here" && ls *.py | sed 's/\.py$//')
for name; do
    echo "golden: $name"
    "$venv/bin/python" -B "$here/$name.py" "$here/.."
done
