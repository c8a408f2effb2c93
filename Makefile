# SPDX-License-Identifier: Apache-2.0
# cotenant: build, test, measure. Everything made lies under $(BUILD).
#
#   make            the program, $(BUILD)/cotenant
#   make demo       the default campaign on this machine, with its result printed
#   make test       unit and command-line tests; test-unit and test-cli run one kind,
#                   TESTS="hist cli_list" only those files
#   make test-browser  the HTML report in headless Chromium
#   make lab        a campaign between two emulated machines with SR-IOV and RDMA, and its tests
#                   (scripts/setup.sh --lab installs what that takes)
#   make bench      the figures of BENCHMARKS.md, side by side with other tools;
#                   PARTS="record_cost wakeup" only those
#   make lint       format, warnings as errors, static analysis
#   make soak       200 kills, every fault five times, and an accelerated campaign whose memory,
#                   descriptors and files are watched (SOAK_TIME=2h)
#   make install    PREFIX=/usr/local DESTDIR=, with manual pages and completion
#   make dist       a tarball that runs where it is unpacked (scripts/dist.sh; needs root)
#   make clean
#
# Variants: CC=clang, SANITIZE=address,undefined or SANITIZE=thread, WERROR=1, V=1, BUILD=dir (a
# variant that is built often wants a BUILD of its own; in a shared one all is built again).

BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= cc
ifeq ($(origin CC),default)
CC      := gcc
endif
# Debian's own Python: h5py and scipy come from packages, and another python3 may lead the PATH.
PYTHON  ?= $(firstword $(wildcard /usr/bin/python3) python3)
# Of libibverbs only the headers are used: it is loaded at run time, and nothing is linked.
PKG     := hwloc jansson hdf5 inih liburing libcmark libmnl libibverbs
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || cat VERSION 2>/dev/null || echo unknown)

# Targets that compile nothing work on a machine without the libraries.
ifneq ($(filter-out clean lint dist,$(or $(MAKECMDGOALS),all)),)
MISSING_PKG := $(shell for p in $(PKG); do pkg-config --exists $$p 2>/dev/null || echo $$p; done)
ifneq ($(MISSING_PKG),)
$(error pkg-config finds no $(MISSING_PKG): run scripts/setup.sh)
endif
endif

OPTIMIZE ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wformat=2 -Wundef -Wvla
ifdef WERROR
WARNINGS += -Werror
endif
ifdef SANITIZE
OPTIMIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE)
endif

PKG_CFLAGS := $(shell pkg-config --cflags $(PKG) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKG) 2>/dev/null)

# OpenBLAS is optional: `gemm_cpu backend=blas` exists only with it.
ifneq ($(shell pkg-config --exists openblas 2>/dev/null && echo yes),)
PKG_CFLAGS += -DCT_HAVE_CBLAS $(shell pkg-config --cflags openblas)
PKG_LIBS   += $(shell pkg-config --libs openblas)
endif

ALL_CFLAGS  := -std=gnu11 -I. -D_GNU_SOURCE -fopenmp -fno-strict-aliasing $(OPTIMIZE) $(WARNINGS) \
               $(PKG_CFLAGS) $(CFLAGS)
# Debian keeps both HDF5 libraries in one folder; the -L of the first serves the second.
HDF5_HL     := -lhdf5_hl
ALL_LIBS    := $(PKG_LIBS) $(HDF5_HL) -lm -lpthread -ldl $(LIBS)
ALL_LDFLAGS := -fopenmp -Wl,--build-id=sha1 -Wl,--as-needed $(LDFLAGS)
ifdef SANITIZE
ALL_LDFLAGS += -fsanitize=$(SANITIZE)
endif

SOURCES := $(sort $(wildcard bench/*.c noise/*.c kernels/*.c harness/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY_OBJECTS := $(filter-out $(BUILD)/obj/harness/cli/main.o,$(OBJECTS))
LIBRARY := $(BUILD)/libcotenant.a

UNIT_TESTS  := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c)))
CLI_TESTS   := $(sort $(wildcard tests/cli/test_*.py))
BENCH_TOOLS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/*.c)))
FUZZERS     := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

Q := $(if $(V),,@)

.PHONY: all man soak dist demo test test-unit test-cli test-browser unit-tests lab bench bench-tools \
        fuzzers lint install clean print-cflags print-nvcc
.SECONDARY:
.DELETE_ON_ERROR:

all: $(BUILD)/cotenant

$(BUILD)/cotenant: $(BUILD)/obj/harness/cli/main.o $(LIBRARY) $(BUILD)/link.stamp
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter-out %.stamp,$^) $(ALL_LIBS)

# The list of members is an input too: a source that is removed leaves the archive.
$(LIBRARY): $(LIBRARY_OBJECTS) $(BUILD)/members.stamp
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIBRARY_OBJECTS)

# The version is an input of one object; compiler and flags are inputs of all, except -Werror, by which
# no object differs. `private`: a flag of one target must not reach the stamps that the target needs.
$(BUILD)/obj/harness/core/version.o: private ALL_CFLAGS += -DCT_VERSION='"$(VERSION)"'
$(BUILD)/obj/harness/core/version.o: $(BUILD)/version.stamp

# Pages of the HTML report and its chart library are inputs of the object that embeds them. One copy
# serves all variants; an empty one is a fetch that failed, and is tried again.
ECHARTS := build/vendor/echarts.min.js
PAGE_FILES := $(wildcard harness/report/page/*)
ifeq ($(wildcard $(ECHARTS)),)
$(ECHARTS): scripts/fetch-echarts.sh
	$(Q)scripts/fetch-echarts.sh $@
else ifneq ($(shell test -s $(ECHARTS) && echo there),there)
$(ECHARTS): force
	$(Q)scripts/fetch-echarts.sh $@
endif
$(BUILD)/obj/harness/report/page_assets.o: private ALL_CFLAGS += -DCT_ECHARTS_FILE='"$(ECHARTS)"'
$(BUILD)/obj/harness/report/page_assets.o: $(PAGE_FILES) $(ECHARTS)

# CUDA kernels: one fatbin with machine code for every GPU that this nvcc knows of, and PTX for those
# it does not. Without nvcc an empty one takes its place, or one made elsewhere (KERNELS_FROM=file).
# One copy serves all variants, which differ in how the host's code is compiled.
NVCC ?= $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc))
NVCC_FLAGS := -std=c++17 -O3 -I. --compiler-options -Wall
KERNELS := build/kernels.fatbin
$(BUILD)/obj/kernels/image.o: private ALL_CFLAGS += -DCT_KERNELS_FILE='"$(KERNELS)"'
$(BUILD)/obj/kernels/image.o: $(KERNELS)
$(KERNELS): kernels/all.cu $(wildcard kernels/*.cu kernels/*.cuh) kernels/kernels.h kernels/targets.sh \
		build/nvcc.stamp
	@mkdir -p $(@D)
ifeq ($(NVCC),)
	@echo "  no nvcc: $(if $(KERNELS_FROM),taking $(KERNELS_FROM),building without GPU kernels)"
	$(Q)$(if $(KERNELS_FROM),cp $(KERNELS_FROM) $@,: > $@)
else
	@echo "  NVCC  $@"
	$(Q)$(NVCC) $(NVCC_FLAGS) $$(kernels/targets.sh $(NVCC)) -fatbin -o $@ $<
endif

# A stamp holds one value and changes only when the value does.
define stamp
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' > $@
endef
.PHONY: force
$(BUILD)/version.stamp: force
	$(call stamp,$(VERSION))
$(BUILD)/flags.stamp: force
	$(call stamp,$(CC) $(filter-out -Werror,$(ALL_CFLAGS)))
$(BUILD)/link.stamp: force
	$(call stamp,$(CC) $(ALL_LDFLAGS) $(ALL_LIBS))
build/nvcc.stamp: force
	$(call stamp,$(NVCC) $(NVCC_FLAGS))
$(BUILD)/members.stamp: force
	$(call stamp,$(LIBRARY_OBJECTS))

$(BUILD)/obj/%.o: %.c $(BUILD)/flags.stamp
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# A test, fuzzer or bench tool is one file on top of all of our code but main.c.
define program
	@mkdir -p $(@D)
	@echo "  $(1)  $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(2) -MMD -MP -MF $@.d -o $@ $< $(LIBRARY) $(ALL_LDFLAGS) $(ALL_LIBS) $(3)
endef
$(BUILD)/tests/unit/%: tests/unit/%.c $(LIBRARY) $(BUILD)/flags.stamp $(BUILD)/link.stamp
	$(call program,TEST,,-lcmocka)
$(BUILD)/tests/bench/%: tests/bench/%.c $(LIBRARY) $(BUILD)/flags.stamp $(BUILD)/link.stamp
	$(call program,LD  )
# STREAM is built like this everywhere.
$(BUILD)/tests/bench/stream_triad: private ALL_CFLAGS += -O3
# libFuzzer is clang's: make CC=clang SANITIZE=address,undefined BUILD=build/fuzz fuzzers
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(LIBRARY) $(BUILD)/flags.stamp $(BUILD)/link.stamp
	$(call program,FUZZ,-fsanitize=fuzzer)

# The kernels' source on an emulated GPU: C++, and without sanitizers, which know nothing of fibers.
KERNEL_TEST := $(BUILD)/tests/unit/test_kernel_source
KERNEL_TEST_SOURCES := tests/kernels/test_kernel_source.cc tests/kernels/fibers.cc
CXX_WARNINGS := -Wall -Wextra -Wno-unknown-pragmas $(if $(WERROR),-Werror)
$(KERNEL_TEST): $(KERNEL_TEST_SOURCES) tests/kernels/cases.c kernels/reference.c \
		$(wildcard tests/kernels/*.h kernels/*.h kernels/*.cu kernels/*.cuh)
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	$(Q)$(CC) -std=gnu11 -I. -D_GNU_SOURCE -O2 -g $(WARNINGS) -c -o $@.cases.o tests/kernels/cases.c
	$(Q)$(CC) -std=gnu11 -I. -D_GNU_SOURCE -O2 -g $(WARNINGS) -c -o $@.reference.o kernels/reference.c
	$(Q)$(CXX) -std=c++17 -I. -O2 -g $(CXX_WARNINGS) -o $@ $(KERNEL_TEST_SOURCES) \
		$@.cases.o $@.reference.o -lcmocka
UNIT_TESTS += $(KERNEL_TEST)

# What ci/gpu.sh runs on a GPU.
GPU_TOOLS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/gpu/*.c)))
$(BUILD)/tests/gpu/%: tests/gpu/%.c tests/kernels/cases.c $(LIBRARY) $(BUILD)/flags.stamp $(BUILD)/link.stamp
	$(call program,LD  ,,tests/kernels/cases.c $(LIBRARY) $(ALL_LIBS))
.PHONY: gpu-tools
gpu-tools: $(GPU_TOOLS)

# What tests need beside programs: libraries that stand in for a vendor's, without sanitizers, and
# recorded machines that are too large to be kept as files.
STANDINS := $(BUILD)/tests/standin/libnvidia-ml.so.1 $(BUILD)/tests/standin/old/libnvidia-ml.so.1
$(BUILD)/tests/standin/old/libnvidia-ml.so.1: private WARNINGS += -DSTANDIN_OLD
$(STANDINS): tests/standin/nvml/nvml.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g -fPIC -shared $(WARNINGS) -o $@ $<
# The driver of a GPU: its kernels are the CPU references of ours.
STANDIN_CUDA := $(BUILD)/tests/standin/libcuda.so.1
STANDIN_CUDA_SOURCES := $(wildcard tests/standin/cuda/*.c) $(wildcard kernels/reference*.c)
$(STANDIN_CUDA): $(STANDIN_CUDA_SOURCES) $(wildcard tests/standin/cuda/*.h kernels/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -I. -D_GNU_SOURCE -O2 -g -fPIC -shared -fvisibility=hidden $(WARNINGS) \
		-o $@ $(STANDIN_CUDA_SOURCES) -lm -lpthread
STANDINS += $(STANDIN_CUDA)
# A library on top of the driver, whose stand-in it uses.
STANDIN_CUBLASLT := $(BUILD)/tests/standin/libcublasLt.so.13
$(STANDIN_CUBLASLT): tests/standin/cublaslt/cublaslt.c $(wildcard kernels/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -I. -D_GNU_SOURCE -O2 -g -fPIC -shared $(WARNINGS) -o $@ $< -ldl
STANDINS += $(STANDIN_CUBLASLT)
# NCCL, on top of that driver: a new one, and one from before communicators could be made without
# blocking.
STANDIN_NCCL := $(BUILD)/tests/standin/libnccl.so.2 $(BUILD)/tests/standin/old/libnccl.so.2
$(BUILD)/tests/standin/old/libnccl.so.2: private WARNINGS += -DSTANDIN_OLD
$(STANDIN_NCCL): tests/standin/nccl/nccl.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -fPIC -shared -fvisibility=hidden $(WARNINGS) -o $@ $< \
		-lpthread -ldl
STANDINS += $(STANDIN_NCCL)
# RDMA: a new libibverbs, and one from before there were dma-bufs.
VERBS_STANDIN := $(BUILD)/tests/standin/libibverbs.so.1 $(BUILD)/tests/standin/old/libibverbs.so.1
$(BUILD)/tests/standin/old/libibverbs.so.1: private WARNINGS += -DSTANDIN_OLD
$(VERBS_STANDIN): $(wildcard tests/standin/verbs/*)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -I. -O1 -g -fPIC -shared $(WARNINGS) -o $@ $(filter %.c,$^) \
		-lpthread -ldl
# Faults on request, preloaded: tests/standin/fault/fault.c says which.
FAULTS := $(BUILD)/tests/standin/libfault.so
$(FAULTS): $(wildcard tests/standin/fault/*.c tests/standin/fault/*.h) harness/core/frame.h harness/tenant/protocol.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -I. -D_GNU_SOURCE -O1 -g -fPIC -shared $(WARNINGS) -o $@ $(filter %.c,$^) -ldl
STANDINS += $(FAULTS)
RECORDED := $(BUILD)/tests/fixtures/probe/made
$(RECORDED): tests/fixtures/probe/make.py
	$(Q)$(PYTHON) $< $(@D) && touch $@

unit-tests: $(UNIT_TESTS) $(STANDINS) $(VERBS_STANDIN) $(RECORDED)
bench-tools: $(BENCH_TOOLS)
fuzzers: $(FUZZERS)

-include $(GPU_TOOLS:%=%.d) $(OBJECTS:.o=.d) $(UNIT_TESTS:%=%.d) $(BENCH_TOOLS:%=%.d) $(FUZZERS:%=%.d)

RUN_TESTS := $(PYTHON) tests/run.py --build $(BUILD) --python $(PYTHON) $(TESTS:%=--only %)

test: all unit-tests
	$(Q)$(RUN_TESTS) $(UNIT_TESTS) $(CLI_TESTS)
test-unit: unit-tests
	$(Q)$(RUN_TESTS) $(UNIT_TESTS)
test-cli: all $(STANDINS) $(VERBS_STANDIN) $(RECORDED)
	$(Q)$(RUN_TESTS) $(CLI_TESTS)

# The report in a real browser: scripts/setup.sh --browser installs what it takes.
test-browser: all
	@test -s $(ECHARTS) || { echo "the chart library could not be fetched: see scripts/fetch-echarts.sh" >&2; exit 1; }
	$(Q)$(RUN_TESTS) $(wildcard tests/browser/test_*.py)

DEMO := $(BUILD)/demo.h5
DEMO_REPORT := $(BUILD)/demo.html
demo: all
	@rm -f $(DEMO) $(DEMO).*
	$(BUILD)/cotenant run suites/quick.ini -o $(DEMO)
	$(BUILD)/cotenant validate $(DEMO)
	$(BUILD)/cotenant show $(DEMO)
	$(BUILD)/cotenant report $(DEMO) -o $(DEMO_REPORT) --title "Noisy neighbours of this machine"
	@echo
	@echo "The report is $(DEMO_REPORT): open it in a browser, it needs no network."
	@echo "The result is $(DEMO): '$(BUILD)/cotenant show $(DEMO)' prints it again, and h5dump or h5py read it."

lab: all
	$(Q)BUILD=$(BUILD) ci/lab.sh $(TESTS)

bench: all bench-tools
	$(Q)$(PYTHON) scripts/bench/run.py --build $(BUILD) $(PARTS)

SOAK_TIME := 2h
soak: all $(STANDINS)
	$(Q)$(PYTHON) tests/soak/kill.py --times 200
	$(Q)$(PYTHON) tests/soak/faults.py --times 5
	$(Q)$(PYTHON) tests/soak/powercut.py
	$(Q)$(PYTHON) tests/soak/soak.py --time $(SOAK_TIME) --plot $(BUILD)/soak.svg

dist:
	$(Q)scripts/dist.sh

# For tools that compile by themselves, as clang-tidy does.
print-cflags:
	@echo $(ALL_CFLAGS) -DCT_VERSION='""'

print-nvcc:
	@echo $(NVCC)

lint:
	$(Q)ci/format.sh
	$(Q)ci/build.sh
	$(Q)ci/tidy.sh
	$(Q)ci/cppcheck.sh

# Manual pages and completion come from what --help says; only a built program knows that.
MAN_PAGES := $(BUILD)/man/cotenant.1
$(MAN_PAGES): $(BUILD)/cotenant
	@mkdir -p $(@D) $(BUILD)/completion
	$(Q)rm -f $(@D)/*.1
	$(Q)for c in $$($< help --man | sed -n 's/.*BR cotenant\\-\([a-z]*\) (1).*/\1/p' | sort -u); do \
		$< help --man $$c > $(@D)/cotenant-$$c.1 || exit 1; done
	$(Q)$< help --completion bash > $(BUILD)/completion/cotenant
	$(Q)$< help --completion zsh > $(BUILD)/completion/_cotenant
	$(Q)$< help --man > $@
man: $(MAN_PAGES)

install: all man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/cotenant/suites \
		$(DESTDIR)$(PREFIX)/share/cotenant/suites/specs \
		$(DESTDIR)$(PREFIX)/share/doc/cotenant/docs
	install -m 755 $(BUILD)/cotenant $(DESTDIR)$(PREFIX)/bin/cotenant
	install -m 644 $(wildcard suites/*.ini) $(DESTDIR)$(PREFIX)/share/cotenant/suites/
	install -m 644 $(wildcard suites/specs/*.ini) \
		$(DESTDIR)$(PREFIX)/share/cotenant/suites/specs/
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/cotenant/scripts \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 $(BUILD)/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 $(BUILD)/completion/cotenant $(DESTDIR)$(PREFIX)/share/bash-completion/completions/
	install -m 644 $(BUILD)/completion/_cotenant $(DESTDIR)$(PREFIX)/share/zsh/site-functions/
	install -m 755 $(addprefix scripts/,mig.sh netns.sh netns-ranks.sh vf.sh ecdf.py figures.py) \
		$(DESTDIR)$(PREFIX)/share/cotenant/scripts/
	install -m 644 $(addprefix scripts/,namespaces.sh figure_data.py figure_style.py) \
		$(DESTDIR)$(PREFIX)/share/cotenant/scripts/
	install -m 644 LICENSE $(wildcard *.md results-schema/SCHEMA.md results-schema/*.schema.json) \
		$(DESTDIR)$(PREFIX)/share/doc/cotenant/
	install -m 644 $(wildcard docs/*.md docs/*.png) $(DESTDIR)$(PREFIX)/share/doc/cotenant/docs/

clean:
	rm -rf $(BUILD)
