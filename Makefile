# lstmd: `make run` and `make test` set everything up on Debian 12; see README.md.
#
#   make [SAN=address|undefined|thread] [V=1] [target]
#
# Each flavour has an object folder of its own under build/, so switching between them rebuilds
# nothing. Programs of the release flavour stand in build/ itself.

SAN ?=
V ?= 0
ifeq ($(origin CC),default)
  CC := gcc
endif
CLANG ?= clang
PREFIX ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
PROTOC_C ?= protoc-c

ifeq ($(SAN),)
  FLAVOUR := release
  BIN := build
  SANFLAGS :=
  HARDENING := -D_FORTIFY_SOURCE=3
  ALLOCATOR_LIBS := -lmimalloc
else ifneq ($(filter $(SAN),address undefined thread),)
  FLAVOUR := $(SAN)
  BIN := build/$(SAN)
  SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
  HARDENING :=
  ALLOCATOR_LIBS :=
else
  $(error SAN is address, undefined or thread, got '$(SAN)')
endif
O := build/obj/$(FLAVOUR)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Walloca -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wundef -Wpointer-arith -Wcast-qual -Wwrite-strings -Werror
HARDENING += -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
CFLAGS ?= -O2 -g
# -ffp-contract=off: a product and a sum are fused where the source says so and nowhere else.
ALL_CFLAGS := $(CFLAGS) -ffp-contract=off $(WARNINGS) $(HARDENING) $(SANFLAGS) -pthread -I.
ALL_LDFLAGS := $(SANFLAGS) -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

CORE_STD := -std=c11 -pedantic-errors
PROTO_STD := -std=c11 -pedantic-errors
SERVER_STD := -std=c11 -D_GNU_SOURCE

SERVER_LIBS = $(shell $(PKG_CONFIG) --libs libmicrohttpd libcjson libzmq zlib gnutls) -lm
GENERATED := build/generated
CONVERT_CFLAGS = -isystem $(GENERATED) $(shell $(PKG_CONFIG) --cflags libzip hdf5 libprotobuf-c libseccomp)
CONVERT_LIBS = $(shell $(PKG_CONFIG) --libs libcjson libzip hdf5 libprotobuf-c libseccomp) -lhdf5_hl -lm
TEST_LIBS = $(shell $(PKG_CONFIG) --libs cmocka libcurl libzmq)
VERSION := 0.1.0

ifeq ($(V),0)
  Q := @
  say = @printf '  %-5s %s\n' $(1) $(2)
else
  Q :=
  say = @:
endif

objects = $(patsubst %.c,$(O)/%.o,$(wildcard $(1)/*.c))
CORE_O := $(call objects,core)
PROTO_O := $(call objects,proto)
SERVER_O := $(filter-out $(O)/server/main.o,$(call objects,server)) $(O)/server/pages.S.o
# The converter is a program of its own, so that none of its libraries is in the daemon.
ONNX_PROTO := $(GENERATED)/deploy/convert/onnx.pb-c
CONVERT_O := $(filter-out $(O)/deploy/convert/main.o,$(call objects,deploy/convert)) \
	$(O)/deploy/convert/onnx.pb-c.o
UNIT_TESTS := $(patsubst tests/%.c,$(BIN)/tests/%,$(wildcard tests/unit/*_test.c))
GOLDEN_TESTS := $(patsubst tests/%.c,$(BIN)/tests/%,$(wildcard tests/golden/*_test.c))
FAULT_TESTS := $(patsubst tests/%.c,$(BIN)/tests/%,$(wildcard tests/fault/*_test.c))
WIRE_TESTS := $(patsubst tests/%.c,$(BIN)/tests/%,$(sort $(wildcard tests/wire/*_test.c)))
FUZZ_REPLAYS := $(patsubst tests/fuzz/%_fuzz.c,$(BIN)/tests/fuzz/%_replay,$(wildcard tests/fuzz/*_fuzz.c))
FUZZERS := $(patsubst tests/fuzz/%_fuzz.c,build/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
TESTS := $(UNIT_TESTS) $(FAULT_TESTS) $(GOLDEN_TESTS) $(WIRE_TESTS)

.PHONY: all run demo test tests bench bench-serving bench-numbers load interop differential \
	examples golden exhaustive lint format fuzz install install-papers clean deps-run deps-test deps-fuzz deps-bench deps-interop deps-examples
.DEFAULT_GOAL := all
# Tests' objects are kept, so that a change in core/ relinks the tests and compiles none of them.
.SECONDARY:

# A goal's packages are installed before anything is compiled for it; a plain `make` installs none.
PACKAGES_run := run
PACKAGES_test := test
PACKAGES_demo := test
PACKAGES_fuzz := fuzz
PACKAGES_bench := bench
PACKAGES_load := bench
PACKAGES_bench-serving := bench
PACKAGES_golden := bench
PACKAGES_interop := interop
PACKAGES_differential := interop
PACKAGES_examples := examples
PACKAGES := $(sort $(foreach goal,$(MAKECMDGOALS),$(addprefix deps-,$(PACKAGES_$(goal)))))

all: $(BIN)/lstmd $(BIN)/lstm-convert $(BIN)/lstm-bench

# What one thread takes and another gives back, as every message over ZeroMQ is, libc's allocator
# locks and joins to its neighbours each time; mimalloc does not, and after a burst it gives back
# most of what libc's would keep. Before libc, so that the libraries use it too. The sanitizers have
# allocators of their own.
$(BIN)/lstmd: $(O)/server/main.o $(SERVER_O) $(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(ALLOCATOR_LIBS) $(SERVER_LIBS)

$(BIN)/lstm-convert: $(O)/deploy/convert/main.o $(CONVERT_O) $(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(CONVERT_LIBS)

$(O)/core/%.o: core/%.c | $(PACKAGES)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CORE_STD) $(ALL_CFLAGS) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

# Chosen at run time, so only these files may hold these instructions.
AVX512 := -mavx512f -mavx512dq
$(O)/core/kernel_avx2.o: KERNEL_CFLAGS := -mavx2 -mfma
$(O)/core/kernel_avx512.o: KERNEL_CFLAGS := $(AVX512)
# gcc 12's fake stack frames are aligned to 32 bytes, whatever lies in them (gcc bug 110027).
ifeq ($(SAN),address)
$(O)/core/kernel_avx512.o: KERNEL_CFLAGS += --param asan-use-after-return=0
endif
$(O)/proto/float_spelling_avx2.o: KERNEL_CFLAGS := -mavx2

$(O)/proto/%.o: proto/%.c | $(PACKAGES)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PROTO_STD) $(ALL_CFLAGS) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/server/%.o: server/%.c | $(PACKAGES)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SERVER_STD) $(ALL_CFLAGS) -DLSTMD_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

$(O)/server/pages.S.o: server/pages.S $(wildcard server/pages/*) | $(PACKAGES)
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(O)/deploy/convert/%.o: deploy/convert/%.c | $(PACKAGES)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SERVER_STD) $(ALL_CFLAGS) $(CONVERT_CFLAGS) -DLSTMD_VERSION='"$(VERSION)"' -MMD -MP \
		-c -o $@ $<

# Code that protoc-c writes: its own warnings.
$(ONNX_PROTO).c: deploy/convert/onnx.proto | $(PACKAGES)
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(GENERATED)
	$(Q)$(PROTOC_C) --c_out=$(GENERATED) $<
$(ONNX_PROTO).h: $(ONNX_PROTO).c
$(CONVERT_O): | $(ONNX_PROTO).h

$(O)/deploy/convert/onnx.pb-c.o: $(ONNX_PROTO).c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SERVER_STD) $(filter-out $(WARNINGS),$(ALL_CFLAGS)) $(CONVERT_CFLAGS) -c -o $@ $<

$(O)/tests/%.o: tests/%.c | $(PACKAGES)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SERVER_STD) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Fills an ONNX file's messages itself.
$(O)/tests/unit/convert_onnx_external_test.o: ALL_CFLAGS += -isystem $(GENERATED)
$(O)/tests/unit/convert_onnx_external_test.o: | $(ONNX_PROTO).h

$(BIN)/tests/unit/%_test: $(O)/tests/unit/%_test.o $(SERVER_O) $(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(TEST_LIBS) $(SERVER_LIBS)

# The load generator's parts are tests/bench/'s, and tested alone.
LOAD_O := $(patsubst %,$(O)/tests/bench/%.o,http_scan load_body load_histogram load_http load_mix \
	load_model load_options load_report load_run load_zmq) $(O)/tests/support/die.o
$(filter $(BIN)/tests/unit/load_%_test $(BIN)/tests/unit/http_scan_test,$(UNIT_TESTS)): $(LOAD_O)

# What these need around them: a folder of their own, a client.
$(patsubst %,$(BIN)/tests/unit/%_test,curve_clients curve_keys zmq_config): \
	$(O)/tests/support/temp_dir.o $(O)/tests/support/die.o
$(patsubst %,$(BIN)/tests/%_test,unit/zeromq unit/zmq_front unit/zmq_parts unit/zmq_publisher \
		unit/zmq_reply fault/zmq_reply_fault): \
	$(O)/tests/support/zmq_client.o $(O)/tests/support/die.o

# Their text is read by what reads the daemon's in tests/wire.
$(BIN)/tests/unit/metrics_test $(BIN)/tests/unit/exposition_test: \
	$(O)/tests/support/exposition.o

# The shorter stem wins: tests of the converter are linked with it instead of the server.
CONVERT_TEST_O := $(call objects,tests/support) $(call objects,tests/support/convert) $(CONVERT_O) \
	$(PROTO_O) $(CORE_O)
# Named as targets: to make, objects that do not exist yet then count as if they did, and the rules
# below are found before the general ones.
$(CONVERT_TEST_O):
$(BIN)/tests/unit/convert_%_test: $(O)/tests/unit/convert_%_test.o $(CONVERT_TEST_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(TEST_LIBS) $(CONVERT_LIBS)
$(BIN)/tests/golden/convert_%_test: $(O)/tests/golden/convert_%_test.o $(CONVERT_TEST_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(TEST_LIBS) $(CONVERT_LIBS)

# Their own malloc stands between the project and the library's.
FAULT_WRAPS := $(foreach f,malloc calloc realloc aligned_alloc free pthread_create \
	zmq_msg_init_data,-Wl,--wrap=$(f))
$(BIN)/tests/fault/%_test: $(O)/tests/fault/%_test.o $(O)/tests/fault/failing_calls.o \
		$(SERVER_O) $(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(FAULT_WRAPS) $(ALL_LDFLAGS) $(TEST_LIBS) $(SERVER_LIBS)

$(BIN)/tests/fault/convert_%_test: $(O)/tests/fault/convert_%_test.o $(CONVERT_O) $(PROTO_O) \
		$(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(FAULT_WRAPS) $(ALL_LDFLAGS) $(TEST_LIBS) $(CONVERT_LIBS)

$(BIN)/tests/golden/%_test: $(O)/tests/golden/%_test.o $(call objects,tests/support) \
		$(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(TEST_LIBS) $(SERVER_LIBS)

$(BIN)/tests/wire/%_test: $(O)/tests/wire/%_test.o $(call objects,tests/support) \
		$(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(TEST_LIBS) $(SERVER_LIBS)

$(BIN)/demo: $(O)/tests/demo/demo.o $(call objects,tests/support) $(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(TEST_LIBS) $(SERVER_LIBS)

$(BIN)/tests/fuzz/%_replay: $(O)/tests/fuzz/%_fuzz.o $(O)/tests/fuzz/replay.o \
		$(SERVER_O) $(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(SERVER_LIBS)

$(BIN)/tests/fuzz/convert_%_replay: $(O)/tests/fuzz/convert_%_fuzz.o $(O)/tests/fuzz/replay.o \
		$(CONVERT_O) $(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(CONVERT_LIBS)

# Speed: lstm-bench for one shape, `make bench` for the table against the peers, which are installed
# under build/ (tests/bench/run_bench.py has the arguments: BENCH_ARGS="--shape vad_step").
BENCH_VENV := build/bench-venv
BENCH_O := $(patsubst %,$(O)/tests/bench/%.o,bench_line bench_numbers bench_options lstm_case \
	lstm_shape stopwatch) $(O)/tests/support/die.o

$(BIN)/lstm-bench: $(O)/tests/bench/lstm_bench.o $(O)/tests/bench/bench_team.o $(BENCH_O) \
		$(O)/server/meeting.o $(O)/server/huge_pages.o $(CORE_O)
$(BIN)/lstm-load: $(O)/tests/bench/lstm_load.o $(LOAD_O) $(SERVER_O) $(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(SERVER_LIBS)

build/bench/machine-peaks: $(O)/tests/bench/machine_peaks.o $(O)/tests/support/die.o
build/bench/number-bench: BENCH_LIBS = $(shell $(PKG_CONFIG) --libs libcjson)
build/bench/number-bench: $(O)/tests/bench/number_bench.o $(O)/tests/bench/stopwatch.o \
		$(O)/tests/support/die.o $(PROTO_O) $(CORE_O)
$(BIN)/lstm-bench $(addprefix build/bench/,machine-peaks number-bench):
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(BENCH_LIBS) -lm

$(BENCH_VENV)/installed: tests/bench/install_peers.sh | $(PACKAGES)
	$(Q)tests/bench/install_peers.sh $(BENCH_VENV)
	$(Q)touch $@

PEER_LIBRARY_onednn := -ldnnl
PEER_LIBRARY_openvino := -lopenvino_c
build/bench/onednn-bench build/bench/openvino-bench: build/bench/%-bench: tests/bench/%_bench.c \
		$(BENCH_O) $(BENCH_VENV)/installed
	$(call say,PEER,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SERVER_STD) $(ALL_CFLAGS) -isystem $(BENCH_VENV)/peers/$*/include -o $@ $< \
		$(BENCH_O) $(ALL_LDFLAGS) -Wl,--allow-shlib-undefined -L$(BENCH_VENV)/peers/$*/lib \
		$(PEER_LIBRARY_$*) -lm

bench: $(BIN)/lstm-bench $(addprefix build/bench/,machine-peaks onednn-bench openvino-bench) \
		| $(PACKAGES)
	$(Q)python3 -B tests/bench/run_bench.py $(BENCH_ARGS)

# The field's own clients against the daemon, installed under build/; INTEROP_ARGS="kserve_test"
# runs one file of them.
INTEROP_VENV := build/interop-venv

$(INTEROP_VENV)/installed: tests/interop/install_clients.sh | $(PACKAGES)
	$(Q)tests/interop/install_clients.sh $(INTEROP_VENV)
	$(Q)touch $@

interop: $(BIN)/lstmd $(INTEROP_VENV)/installed | $(PACKAGES)
	$(Q)LSTMD_BINARY=$(CURDIR)/$(BIN)/lstmd INTEROP_VENV=$(CURDIR)/$(INTEROP_VENV) \
		$(INTEROP_VENV)/bin/python -B tests/interop/run_interop.py $(INTEROP_ARGS)

# Random networks of the frameworks, installed under build/, through lstm-convert and lstmd
# (DIFFERENTIAL_ARGS="--only keras --count 1000").
DIFFERENTIAL_VENV := build/differential-venv

$(DIFFERENTIAL_VENV)/installed: tests/differential/requirements.txt | $(PACKAGES)
	$(Q)python3 -m venv $(@D)
	$(Q)$(@D)/bin/python -m pip --quiet --disable-pip-version-check install -r $<
	$(Q)touch $@

differential: $(BIN)/lstmd $(BIN)/lstm-convert $(DIFFERENTIAL_VENV)/installed | $(PACKAGES)
	$(Q)$(DIFFERENTIAL_VENV)/bin/python -B -W ignore tests/differential/differential.py \
		$(BIN)/lstm-convert $(BIN)/lstmd $(DIFFERENTIAL_ARGS)

# The clients of deploy/examples against the daemon, those for Node too.
build/examples/node_modules/installed: | $(PACKAGES)
	$(Q)mkdir -p build/examples
	$(Q)npm install --no-audit --no-fund --prefix build/examples zeromq@6
	$(Q)touch $@

examples: $(BIN)/lstmd build/examples/node_modules/installed | $(PACKAGES)
	$(Q)python3 -B tests/deploy/examples_test.py $(BIN)/lstmd build/examples/node_modules

# The daemon under load (tests/bench/run_load.py has the arguments: LOAD_ARGS="--scenario deep").
load: $(BIN)/lstmd $(BIN)/lstm-load build/bench/constant-server | $(PACKAGES)
	$(Q)BIN=$(BIN) python3 -B tests/bench/run_load.py $(LOAD_ARGS)

# lstmd and other servers of the same LSTM, which are installed under build/serving.
SERVING := build/serving
build/bench/constant-server: $(O)/tests/bench/constant_server.o $(O)/server/http_epoll.o \
		$(O)/tests/support/die.o
build/bench/zmq-echo: $(O)/tests/bench/zmq_echo.o $(O)/tests/support/die.o
build/bench/constant-server build/bench/zmq-echo:
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(SERVER_LIBS)

$(SERVING)/installed: tests/bench/serving/install.sh | $(PACKAGES)
	$(Q)tests/bench/serving/install.sh $(SERVING)
	$(Q)touch $@

bench-serving: $(addprefix $(BIN)/,lstmd lstm-load lstm-bench) build/bench/constant-server \
		$(SERVING)/installed | $(PACKAGES)
	$(Q)python3 -B tests/bench/run_serving.py $(SERVING_ARGS)

# Nanoseconds a number of a JSON tensor takes, read and printed (20 seconds).
bench-numbers: build/bench/number-bench
	$(Q)$<

# What is compiled in one go, for AVX2, takes the wider kernel as an object.
CORE_FOR_AVX2 := $(filter-out core/kernel_avx512.c,$(wildcard core/*.c))

# All 2^32 inputs of every activation of every kernel, and of the cell: a quarter of an hour, with
# the scalar kernel's fused multiply-adds as instructions rather than calls.
build/bench/exhaustive-activations: tests/bench/exhaustive_activations.c tests/support/die.c \
		$(CORE_FOR_AVX2) $(wildcard core/*.h) $(O)/core/kernel_avx512.o tests/support/cells.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CORE_STD) -D_GNU_SOURCE $(ALL_CFLAGS) -mavx2 -mfma -o $@ \
		$(filter %.c %.o,$^) $(ALL_LDFLAGS) -lm

build/bench/exhaustive-spellings: $(O)/tests/bench/exhaustive_spellings.o $(O)/tests/support/die.o \
		$(PROTO_O) $(CORE_O)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(ALL_LDFLAGS) $(SERVER_LIBS)

exhaustive: build/bench/exhaustive-activations build/bench/exhaustive-spellings
	$(Q)for program in $^; do $$program || exit 1; done

# Coverage-guided: `make fuzz FUZZ_SECONDS=60`, one target after the other.
FUZZ_SECONDS ?= 60
FUZZED_SERVER := $(patsubst %,server/%.c,body budget compression content_coding http_guard http_stream \
	payload router)
FUZZ_CFLAGS := -std=c11 -D_GNU_SOURCE -g -O1 -I. -ffp-contract=off -fno-sanitize-recover=all
FUZZ_CORE := $(CORE_FOR_AVX2) build/fuzz/kernel_avx512.o
build/fuzz/kernel_avx512.o: core/kernel_avx512.c $(wildcard core/*.h) | $(PACKAGES)
	$(call say,CLANG,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(AVX512) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

build/fuzz/%: tests/fuzz/%_fuzz.c $(FUZZ_CORE) \
		$(wildcard core/*.h proto/*.[ch] $(FUZZED_SERVER:c=[ch])) | $(PACKAGES)
	$(call say,CLANG,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -mavx2 -mfma -fsanitize=fuzzer,address,undefined -o $@ $< \
		$(FUZZ_CORE) $(wildcard proto/*.c) $(FUZZED_SERVER) -lcjson -lz -lm

build/fuzz/convert_%: tests/fuzz/convert_%_fuzz.c $(FUZZ_CORE) \
		$(wildcard core/*.h proto/*.[ch] deploy/convert/*.[ch] tests/fuzz/*.h) $(ONNX_PROTO).c \
		| $(PACKAGES)
	$(call say,CLANG,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(CONVERT_CFLAGS) -mavx2 -mfma \
		-fsanitize=fuzzer,address,undefined -o $@ $< $(FUZZ_CORE) $(wildcard proto/*.c) \
		$(filter-out deploy/convert/main.c,$(wildcard deploy/convert/*.c)) \
		$(ONNX_PROTO).c $(CONVERT_LIBS)

fuzz: $(FUZZERS) | $(PACKAGES)
	$(Q)for f in $(FUZZERS); do \
		name=$$(basename $$f); mkdir -p build/fuzz/corpus/$$name; \
		echo "== $$name"; $$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -print_final_stats=1 \
			-artifact_prefix=build/fuzz/$$name- \
			build/fuzz/corpus/$$name tests/fuzz/corpus/$$name || exit 1; \
	done

# Golden cases made anew by the frameworks; the results are committed.
golden: | $(PACKAGES)
	$(Q)tests/golden/generate/run.sh build/golden-venv $(GOLDEN)

deps-run deps-test deps-fuzz deps-bench deps-interop deps-examples: deps-%:
	$(Q)deploy/install-deps.sh $*

run: all | $(PACKAGES)
	$(Q)deploy/run-examples.sh $(BIN)/lstmd

demo: all $(BIN)/demo | $(PACKAGES)
	$(Q)$(BIN)/demo $(BIN)/lstmd

tests: $(BIN)/lstmd $(BIN)/lstm-convert $(BIN)/demo $(TESTS) $(FUZZ_REPLAYS)

test: tests | $(PACKAGES)
	$(Q)BIN=$(BIN) tests/run.sh $(TESTS) $(FUZZ_REPLAYS)

lint:
	$(Q)tests/lint.sh

format:
	$(Q)clang-format -i $$(git ls-files --cached --others --exclude-standard '*.c' '*.h')

install: all install-papers
	install -D -m 755 $(BIN)/lstmd $(DESTDIR)$(PREFIX)/bin/lstmd
	install -D -m 755 $(BIN)/lstm-convert $(DESTDIR)$(PREFIX)/bin/lstm-convert

# What is not compiled. The unit names the program where it was put.
install-papers:
	install -D -m 644 deploy/man/lstmd.8 $(DESTDIR)$(PREFIX)/share/man/man8/lstmd.8
	install -D -m 644 deploy/man/lstm-convert.1 $(DESTDIR)$(PREFIX)/share/man/man1/lstm-convert.1
	install -D -m 644 deploy/man/lstmd.json.5 $(DESTDIR)$(PREFIX)/share/man/man5/lstmd.json.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/lstmd deploy/schema/lstmd.schema.json \
		deploy/schema/model.schema.json
	install -D -m 644 deploy/systemd/lstmd.service \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/lstmd.service
	sed -i 's|/usr/local/bin/|$(PREFIX)/bin/|' $(DESTDIR)$(PREFIX)/lib/systemd/system/lstmd.service

clean:
	rm -rf build

-include $(wildcard $(O)/*/*.d $(O)/*/*/*.d $(O)/*/*/*/*.d)
