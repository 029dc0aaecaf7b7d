#!/usr/bin/env bash
# Serves the example models in the foreground:  deploy/run-examples.sh BINARY
#
# LSTMD_HTTP=ADDR:PORT and LSTMD_ZMQ=ENDPOINT serve elsewhere than on 127.0.0.1:8080 and
# tcp://127.0.0.1:5555 (none: not at all). Ctrl-C stops.
set -eu

binary=${1:?usage: $0 BINARY}
models=$(dirname "$0")/models
export LSTMD_HTTP=${LSTMD_HTTP:-127.0.0.1:8080} LSTMD_ZMQ=${LSTMD_ZMQ:-tcp://127.0.0.1:5555}

hint() {
    cat <<END

Try it in another terminal:

curl -s http://$LSTMD_HTTP/v2/models/seed-simple/infer -d '{"inputs":[{"name":"input","shape":[1,1,10],"datatype":"FP32","data":[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.0]}]}'

ZeroMQ is answered on $LSTMD_ZMQ (deploy/examples has clients).

END
}

# Waits beside the daemon, which takes this shell's place and number, until its port answers; then a
# moment more, because a daemon that found its port taken is about to say so and leave.
hint_when_ready() {
    until (: </dev/tcp/"${LSTMD_HTTP%:*}"/"${LSTMD_HTTP##*:}") 2>/dev/null; do
        kill -0 $$ 2>/dev/null || return 0
        sleep 0.1
    done
    sleep 0.2
    kill -0 $$ 2>/dev/null && hint
}

(hint_when_ready &)
exec "$binary" --models "$models"
