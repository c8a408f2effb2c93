# cotenant: build, test, measure. Everything made lies under $(BUILD).
#
#   make            the program, $(BUILD)/cotenant
#   make demo       the default campaign on this machine, with its result printed
#   make test       unit and command-line tests
#   make bench      the figures of BENCHMARKS.md, side by side with other tools
#   make lint       format, warnings as errors, static analysis
#   make install    PREFIX=/usr/local DESTDIR=
#
# Variants: CC=clang, SANITIZE=address,undefined or SANITIZE=thread (give them a BUILD of their own),
# WERROR=1, V=1.

BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= cc
ifeq ($(origin CC),default)
CC      := gcc
endif
PKG     := hwloc jansson hdf5 inih liburing
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || cat VERSION 2>/dev/null || echo unknown)

OPTIMIZE ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wformat=2 -Wundef -Wvla
ifdef WERROR
WARNINGS += -Werror
endif
ifdef SANITIZE
OPTIMIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE)
endif

PKG_CFLAGS := $(shell pkg-config --cflags $(PKG))
PKG_LIBS   := $(shell pkg-config --libs $(PKG))

# OpenBLAS is optional: `gemm_cpu backend=blas` exists only with it.
ifneq ($(shell pkg-config --exists openblas && echo yes),)
PKG_CFLAGS += -DCT_HAVE_CBLAS $(shell pkg-config --cflags openblas)
PKG_LIBS   += $(shell pkg-config --libs openblas)
endif

ALL_CFLAGS := -std=gnu11 -I. -D_GNU_SOURCE -fopenmp -fno-strict-aliasing $(OPTIMIZE) $(WARNINGS) \
              $(PKG_CFLAGS) $(CFLAGS)
ALL_LIBS   := $(PKG_LIBS) -lm -lpthread -ldl $(LIBS)
ALL_LDFLAGS := -fopenmp -Wl,--build-id=sha1 -Wl,--as-needed $(LDFLAGS)
ifdef SANITIZE
ALL_LDFLAGS += -fsanitize=$(SANITIZE)
endif

SOURCES := $(wildcard bench/*.c noise/*.c harness/*/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY_OBJECTS := $(filter-out $(BUILD)/obj/harness/cli/main.o,$(OBJECTS))
LIBRARY := $(BUILD)/libcotenant.a

UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS   := $(UNIT_SOURCES:%.c=$(BUILD)/%)

Q := $(if $(V),,@)

.PHONY: all demo test test-unit test-cli bench lint install clean
.SECONDARY:

all: $(BUILD)/cotenant

$(BUILD)/cotenant: $(BUILD)/obj/harness/cli/main.o $(LIBRARY)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(LIBRARY): $(LIBRARY_OBJECTS)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The version is an input of one object; flags are an input of all (a changed CFLAGS rebuilds).
$(BUILD)/obj/harness/core/version.o: ALL_CFLAGS += -DCT_VERSION='"$(VERSION)"'
$(BUILD)/obj/harness/core/version.o: $(BUILD)/version.stamp

define stamp
	@mkdir -p $(@D)
	@printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' > $@
endef
.PHONY: force
$(BUILD)/version.stamp: force
	$(call stamp,$(VERSION))
$(BUILD)/flags.stamp: force
	$(call stamp,$(CC) $(subst ',,$(ALL_CFLAGS)))

$(BUILD)/obj/%.o: %.c $(BUILD)/flags.stamp
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(LIBRARY) $(BUILD)/flags.stamp
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIBRARY) $(ALL_LDFLAGS) $(ALL_LIBS) -lcmocka

-include $(OBJECTS:.o=.d) $(UNIT_TESTS:%=%.d)

clean:
	rm -rf $(BUILD)
