# Two stages: everything that building takes stays behind in the first.
#
#   docker build -t lstmd .
#   docker run -p 8080:8080 -v /path/to/models:/mnt/models:ro lstmd

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY deploy/install-deps.sh deploy/
RUN deploy/install-deps.sh run
COPY Makefile ./
COPY core core
COPY proto proto
COPY server server
# The daemon alone: the converter's libraries have no place beside it.
RUN make -j"$(nproc)" build/lstmd && install -D -m 755 build/lstmd /image/usr/local/bin/lstmd

FROM debian:bookworm-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends libmicrohttpd12 libcjson1 zlib1g && \
    rm -rf /var/lib/apt/lists/* && \
    mkdir -p /mnt/models
COPY --from=build /image/ /
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["lstmd", "--models", "/mnt/models", "--http", "0.0.0.0:8080"]
