#!/usr/bin/env bash
# Builds the image for real and drives it:  deploy/container/test-image.sh [--without-tests]
#
# With docker where its engine answers. Otherwise with buildah, which needs no daemon, as root, on a
# base image that debootstrap makes (Debian packages buildah and debootstrap): the image's root is
# then run read-only, in namespaces of its own, as its user. Prints TAP and figures.
# --without-tests leaves `make test` out of the build. IMAGE_FOLDER (build/image): where buildah
# keeps its images; some 2 GB while it builds.
set -u
cd "$(dirname "$0")/../.." || exit 1

SIZE_MAX_BYTES=18000000
TAG=localhost/lstmd:test
BASE=docker.io/library/debian:bookworm-slim
PORT=${IMAGE_PORT:-18080}
URL=http://127.0.0.1:$PORT
work=${IMAGE_FOLDER:-build/image}
mkdir -p "$work" || exit 1
work=$(readlink -f "$work")
root=$work/root
build_arguments=()
[ "${1-}" != --without-tests ] || build_arguments=(--build-arg TESTS=)

number=0 failed=0
check() { # NAME COMMAND...
    local name=$1
    shift
    number=$((number + 1))
    if "$@" >"$work/check.log" 2>&1; then
        echo "ok $number - $name"
    else
        failed=$((failed + 1))
        echo "not ok $number - $name"
        sed 's/^/# /' "$work/check.log"
    fi
}

die() {
    echo "Bail out! $*"
    exit 1
}

# ---- with docker ----

docker_build() { docker build "${build_arguments[@]}" -t "$TAG" .; }

docker_export() {
    local container
    container=$(docker create "$TAG") && mkdir -p "$root" &&
        docker export "$container" | tar -x -C "$root"
    docker rm "$container" >/dev/null
}

docker_config() { docker inspect "$TAG"; }

docker_start() {
    container=$(docker run -d --read-only --cap-drop ALL -p "127.0.0.1:$PORT:8080" \
        -v "$PWD/deploy/models:/mnt/models:ro" "$TAG")
    pid=$(docker inspect -f '{{.State.Pid}}' "$container")
}

docker_stop() { # prints the exit status
    docker kill -s TERM "$container" >/dev/null
    docker wait "$container"
    docker rm "$container" >/dev/null
}

# ---- with buildah ----

storage() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

make_base() {
    storage inspect --type image "$BASE" >/dev/null 2>&1 && return
    [ -e "$work/base.tar" ] || {
        rm -rf "$work/base"
        debootstrap --variant=minbase bookworm "$work/base" \
            "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" || return 1
        tar -C "$work/base" -cf "$work/base.tar" . && rm -rf "$work/base"
    }
    local container
    container=$(storage from scratch) && storage add "$container" "$work/base.tar" / &&
        storage commit --rm "$container" "$BASE"
}

buildah_build() {
    make_base || die "no base image: $(tail -n3 "$work/build.log")"
    storage build --format docker --isolation chroot --network host --pull-never \
        --ulimit nofile=8192:8192 "${build_arguments[@]}" -t "$TAG" .
}

buildah_config() { storage inspect --type image "$TAG"; }

buildah_export() {
    local container
    container=$(storage from --pull-never "$TAG") && mkdir -p "$root" &&
        cp -a "$(storage mount "$container")/." "$root/"
    storage rm "$container" >/dev/null
}

# The image's settings are what docker would take from it.
image_setting() { storage inspect --type image --format "{{$1}}" "$TAG"; }

# In a mount namespace of its own: the root read-only, the models on their place, the image's user.
# Its parent waits and keeps the exit status.
buildah_start() {
    mapfile -t environment < <(image_setting 'range .OCIv1.Config.Env}}{{println .}}{{end' | sed '/^$/d')
    user=$(image_setting .OCIv1.Config.User)
    environment+=("LSTMD_HTTP=127.0.0.1:$PORT")
    rm -f "$work/status" "$work/pid"
    unshare --mount bash -c '
        mount --bind "$1" "$1" && mount --bind -o ro deploy/models "$1/mnt/models" &&
            mount -o remount,bind,ro "$1" || exit 1
        env -i "${@:4}" chroot --userspec="$2" "$1" /usr/local/bin/lstmd &
        echo $! >"$3/pid"
        wait $!
        echo $? >"$3/status"' bash "$root" "$user" "$work" "${environment[@]}" 2>"$work/log" &
    until [ -s "$work/pid" ]; do sleep 0.01; done
    pid=$(cat "$work/pid")
}

buildah_stop() {
    kill -TERM "$pid"
    for _ in $(seq 100); do
        [ -s "$work/status" ] && break
        sleep 0.1
    done
    cat "$work/status"
}

# ---- what is asked of it ----

is_small() {
    local bytes
    bytes=$(du -sb --apparent-size "$root" | cut -f1)
    echo "# uncompressed: $bytes bytes" >&3
    [ "$bytes" -le "$SIZE_MAX_BYTES" ]
}

has_nothing_to_run_but_lstmd() {
    local other
    other=$(find "$root" -type f -perm /111 ! -path '*/lib*/*.so*' ! -path '*/usr/local/bin/lstmd')
    echo "$other"
    [ -z "$other" ] && [ ! -e "$root/bin/sh" ] && [ ! -e "$root/etc/ssl" ]
}

# No further than a moment behind the kernel: the shell's own connection, tried without pause.
answers_soon() {
    local begun=$1 now
    until (exec 3<>"/dev/tcp/127.0.0.1/$PORT" && printf 'GET /v2/health/ready HTTP/1.1\r\nHost: x\r\n\r\n' >&3 &&
        read -r -t 5 _ status _ <&3 && [ "$status" = 200 ]) 2>/dev/null; do
        now=$(date +%s%N)
        [ $((now - begun)) -lt 10000000000 ] || return 1
    done
    now=$(date +%s%N)
    echo "# from its start to the first answer: $(((now - begun) / 1000000)) ms" >&3
}

infers() {
    curl -sf "$URL/v2/models/seed-simple/infer" -d '{"inputs":[{"name":"input","shape":[1,1,10],
        "datatype":"FP32","data":[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.0]}]}' |
        grep -q '"data":\[0.0705917'
}

# Even root cannot write there, so neither can it.
is_read_only() {
    ! touch "/proc/$pid/root/touched" && ! touch "/proc/$pid/root/mnt/models/touched"
}

is_the_user() {
    [ "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" = 10001 ] &&
        [ "$(awk '/^CapEff:/ { print $2 }' "/proc/$pid/status")" = 0000000000000000 ]
}

# Of the image's settings: docker runs it by itself, where it is asked what is well.
has_a_health_check() { ${tool}_config | grep -A8 Healthcheck | grep -q -- --probe; }

probe_agrees() {
    chroot --userspec=10001:10001 "$root" /usr/local/bin/lstmd --probe "$URL/v2/health/ready"
}

ends_well() { [ "$(${tool}_stop)" = 0 ]; }

if docker info >/dev/null 2>&1; then
    tool=docker
elif command -v buildah >/dev/null && command -v debootstrap >/dev/null && [ "$(id -u)" -eq 0 ]; then
    tool=buildah
else
    die "neither a docker engine nor, as root, buildah and debootstrap"
fi

exec 3>&1
rm -rf "$root"
echo "# building with $tool"
${tool}_build >"$work/build.log" 2>&1 || die "the build failed: $(tail -n20 "$work/build.log")"
grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$work/build.log" | sed 's/^/# make test in the build: /'
${tool}_export || die "the image could not be looked into"

check 'the image is small' is_small
check 'it holds nothing that runs but lstmd' has_nothing_to_run_but_lstmd
begun=$(date +%s%N)
${tool}_start
check 'it answers' answers_soon "$begun"
check 'it infers' infers
check 'its root is read-only' is_read_only
check 'it runs as 10001 without capabilities' is_the_user
check 'its health check is its own probe' has_a_health_check
check 'its own probe finds it ready' probe_agrees
check 'SIGTERM ends it with status 0' ends_well

echo "1..$number"
echo "$((number - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
