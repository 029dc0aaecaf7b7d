#!/bin/sh
# Sees to it that the Debian packages of a set are installed:
#
#   deploy/install-deps.sh run|test|fuzz|bench|interop|examples
#
# Nothing missing: silent, and apt is not asked. Otherwise apt-get is called, as root directly and
# else through sudo; where neither can be done the missing packages are listed and the exit is 1.
set -eu

# `make` builds the converter too, whose libraries are the second line's.
run='gcc libc6-dev make pkg-config libmicrohttpd-dev libcjson-dev libzmq3-dev zlib1g-dev libgnutls28-dev
    libmimalloc-dev libzip-dev libhdf5-dev libprotobuf-c-dev protobuf-c-compiler libseccomp-dev'
test="$run libcmocka-dev libcurl4-openssl-dev clang-format locales
    python3 python3-jsonschema python3-yaml python3-zmq python3-numpy mandoc"
fuzz="$run clang libclang-rt-14-dev"
bench="$run python3 python3-venv"
interop="$run python3 python3-venv libb64-0d libssl3"
examples=$test
command -v npm >/dev/null || examples="$test nodejs npm" # Node's own packages have both in one

case "${1-}" in
run) wanted=$run ;;
test) wanted=$test ;;
fuzz) wanted=$fuzz ;;
bench) wanted=$bench ;;
interop) wanted=$interop ;;
examples) wanted=$examples ;;
*)
    echo "usage: $0 run|test|fuzz|bench|interop|examples" >&2
    exit 2
    ;;
esac

missing_packages() {
    states=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' $wanted 2>/dev/null || :)"
    for package in $wanted; do
        case "$states" in
        *" $package=installed "*) ;;
        *) printf ' %s' "$package" ;;
        esac
    done
}

give_up() {
    printf '%s: %s. These Debian 12 packages are needed:\n' "$0" "$1" >&2
    printf '  %s\n' $missing >&2
    exit 1
}

# Without dpkg there is no knowing what is there: the list is of everything, under Debian's names.
missing=$wanted
command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    give_up 'packages are installed by apt, which this machine does not have'

missing=$(missing_packages)
[ -n "$missing" ] || exit 0

distribution=$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null | tr -d '"')
[ "$distribution" = debian ] ||
    give_up "packages are installed on Debian only, this is '$distribution'"

if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    give_up 'installing packages takes root or sudo'
fi

echo "installing:$missing"
# Lists that could not be refreshed are no reason to stop: what matters is whether install succeeds.
$as_root apt-get -q update || :
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=120 $missing || give_up 'apt-get install failed'
