# The daemon and its libraries, nothing else: no shell, no package manager, no certificates. The
# first stage builds and tests; the second one is what the first put together.
#
#   docker build -t lstmd .
#   docker run --rm --read-only --cap-drop ALL -p 127.0.0.1:8080:8080 -v "$PWD/deploy/models:/mnt/models:ro" lstmd
#
# The models' files must be readable by uid 10001.

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY deploy/install-deps.sh deploy/
RUN deploy/install-deps.sh test
COPY . .
# TESTS= leaves them out, where they ran already.
ARG TESTS=test
RUN make -j"$(nproc)" build/lstmd && { [ -z "$TESTS" ] || make -j"$(nproc)" "$TESTS"; }
RUN deploy/container/image-root.sh build/lstmd /image

FROM scratch
COPY --from=build /image/ /
USER 10001:10001
# Whoever can reach the port is served: LSTMD_AUTH=tokens and LSTMD_TOKENS_FILE=FILE ask for tokens.
ENV LSTMD_MODELS=/mnt/models LSTMD_HTTP=0.0.0.0:8080 LSTMD_AUTH=none
EXPOSE 8080
# It speaks no TLS: with a certificate say LSTMD_ADMIN=127.0.0.1:8081 and a HEALTHCHECK that asks there.
HEALTHCHECK --interval=10s --timeout=3s CMD ["/usr/local/bin/lstmd", "--probe", "http://127.0.0.1:8080/v2/health/live"]
ENTRYPOINT ["/usr/local/bin/lstmd"]
