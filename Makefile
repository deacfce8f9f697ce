# SPDX-License-Identifier: MIT
#
# One make, no recursion. Everything generated lives in build/ (build/san/ with SAN=1):
#   obj/  libshunt-sandbox.{a,so}  include/  libshunt-supervisor.a  shunt  libshunt-enter.so  share/shunt/  tests/
# Variables: DEV=1 (-Werror)  SAN=1 (address and undefined-behaviour sanitizers)  CC=clang
#            LINK=dynamic (libraries are linked statically where their archives are there)
#            PREFIX=/usr/local  DESTDIR=  PYTHON=python3  PYTEST="python3 -m pytest"

VERSION := 0.1.0

ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
comma := ,
BUILD ?= $(if $(SAN),build/san,build)
Q := $(if $(V),,@)

# ---- flags -----------------------------------------------------------------------------------

# libev's watchers are cast to their base type, hence -fno-strict-aliasing.
base_cflags := -std=gnu17 -D_GNU_SOURCE -I. -DSHUNT_VERSION='"$(VERSION)"' -fno-strict-aliasing
warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wformat=2 -Wvla -Wundef -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough -Wdate-time
ifdef SAN
CFLAGS ?= -O1 -g
# Instrumented, gcc takes each text that is cut on purpose for a mistake.
harden_cflags := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
	$(if $(findstring clang,$(CC)),,-Wno-format-truncation)
harden_ldflags := -fsanitize=address,undefined
else
CFLAGS ?= -O2 -g
harden_cflags := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
harden_ldflags := -Wl,-z,relro,-z,now,-z,noexecstack
endif
common_cflags := -fstack-protector-strong -fstack-clash-protection
all_cflags = $(base_cflags) $(warnings) $(if $(DEV),-Werror) $(common_cflags) $(harden_cflags) $(CFLAGS)
# Loading eight libraries takes a third of what `shunt exec true` takes, so they are linked statically where their
# archives are there (Debian's -dev packages have them), and the C library with them into shunt itself: another eighth.
# Nothing of shunt's looks up users or hosts, which would load libraries all the same; parts of libcgroup and SQLite that are
# never called do, hence --no-warnings. LINK=dynamic for packagers.
lib_names := seccomp cap cgroup ev jansson cyaml yaml sqlite3
archive = $(shell $(CC) -print-file-name=lib$(1).a)
archives := $(if $(SAN),,$(if $(filter dynamic,$(LINK)),,$(foreach name,$(lib_names) c,$(if $(findstring /,$(call archive,$(name))),$(name)))))
have_archives := $(if $(filter-out $(archives),$(lib_names)),,yes)
LIBS := $(if $(have_archives),-Wl$(comma)-Bstatic $(lib_names:%=-l%) -Wl$(comma)-Bdynamic -lm -lpthread,$(lib_names:%=-l%))
# How shunt itself is linked.
shunt_libs := $(if $(and $(have_archives),$(filter c,$(archives))),-static-pie -Wl$(comma)--no-warnings $(lib_names:%=-l%) -lm,-pie $(LIBS))
sandbox_libs := -lseccomp -lcap -lcgroup -ljansson -lcyaml -lyaml

# ---- what there is ---------------------------------------------------------------------------

enter_src := sandbox/launch/enter.c
precompile_src := sandbox/seccomp/precompile_main.c
runner_src := supervisor/runner/runner.c
sandbox_src := $(filter-out $(enter_src) $(precompile_src) $(SKIP),$(sort $(shell find sandbox -name '*.c')))
main_src := supervisor/cli/main.c
supervisor_src := $(filter-out $(main_src) $(runner_src) $(SKIP),$(sort $(shell find supervisor -name '*.c')))
unit_src := $(sort $(wildcard tests/unit/test_*.c))
# Directories are listed too: their time changes when a file goes away.
python_files := $(shell find supervisor/adapters/pytest -name __pycache__ -prune -o -print)
policy_files := $(shell find policies)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
objects := $(call obj,$(sandbox_src) $(supervisor_src) $(main_src) $(precompile_src) $(unit_src))
sandbox_lib := $(BUILD)/libshunt-sandbox.a
sandbox_so := $(BUILD)/libshunt-sandbox.so
sandbox_abi := 0
sandbox_map := sandbox/libshunt-sandbox.map
public_headers := sandbox/base/err.h sandbox/spec/spec.h sandbox/policy/policy.h sandbox/sandbox.h
public_header := $(BUILD)/include/shunt-sandbox.h
supervisor_lib := $(BUILD)/libshunt-supervisor.a
shunt := $(BUILD)/shunt
enter_lib := $(BUILD)/libshunt-enter.so
runner := $(BUILD)/shunt-runner
share := $(BUILD)/share/shunt
unit_tests := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(unit_src))

.PHONY: all deps ready demo check check-style check-unit check-integration check-suites check-compat deps-compat check-vm check-san san-integration check-escape check-fuzz \
	bench install uninstall clean help unit-tests FORCE
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

all: $(shunt) $(enter_lib) $(runner) $(sandbox_so) $(public_header) $(share)/python.done $(share)/policies.done ## build everything (default)

# ---- prerequisites ---------------------------------------------------------------------------

# What the goals need beyond a build; `make` alone installs nothing and only says what is missing.
needs_check := unit integration suites compat vm fuzz
needs_check-unit := unit
needs_check-integration := integration
needs_check-suites := integration suites
needs_check-compat := integration compat
needs_check-vm := integration vm
needs_check-san := unit integration
needs_san-integration := integration
needs_check-fuzz := fuzz
needs_check-escape := integration
needs_demo := demo
needs_bench := integration suites bench
needs_deps := $(needs_check)
needs := $(sort $(foreach goal,$(MAKECMDGOALS),$(needs_$(goal))))

ready:
	@CC='$(CC)' FUZZ_CC='$(FUZZ_CC)' PYTHON='$(PYTHON)' tests/tools/deps $(if $(needs),--install,--check) build $(needs)

deps: ready ## install what make check and make demo need (apt; as root or with sudo)

# ---- compile ---------------------------------------------------------------------------------

# Objects are built anew when the flags change.
flags = $(CC) $(all_cflags) $(LDFLAGS), sandbox: -fPIC
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(flags))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(flags))' >$@
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | ready
	@mkdir -p $(@D)
	@echo '  CC    $<'
	$(Q)$(CC) $(all_cflags) $(position) -MMD -MP -c -o $@ $<

# The sandbox is a shared library, too.
position := -fPIE
$(BUILD)/obj/sandbox/%.o: position := -fPIC

# An archive is replaced as a whole, so that members of deleted sources do not linger.
$(sandbox_lib): $(call obj,$(sandbox_src))
$(supervisor_lib): $(call obj,$(supervisor_src))
$(sandbox_lib) $(supervisor_lib): $(BUILD)/flags
	@echo '  AR    $@'
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(shunt): $(call obj,$(main_src)) $(supervisor_lib) $(sandbox_lib)
	@echo '  LD    $@'
	$(Q)$(CC) $(harden_ldflags) $(LDFLAGS) -o $@ $^ $(shunt_libs)

# shunt itself has the archive in it.
$(sandbox_so): $(call obj,$(sandbox_src)) $(sandbox_map) $(BUILD)/flags
	@echo '  SO    $@'
	$(Q)$(CC) -shared -Wl,-soname,libshunt-sandbox.so.$(sandbox_abi) -Wl,--version-script,$(sandbox_map) \
		$(if $(SAN),,-Wl$(comma)-z$(comma)defs) $(harden_ldflags) $(LDFLAGS) -o $@ $(filter %.o,$^) $(sandbox_libs)
	$(Q)ln -sfn libshunt-sandbox.so $@.$(sandbox_abi)

$(public_header): $(public_headers) sandbox/public-header $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)sandbox/public-header $(VERSION) $(public_headers) >$@

# Loaded into the user's Python, so it needs nothing but libc and is never sanitized.
$(BUILD)/libshunt-enter.so: $(enter_src) sandbox/caps/caps.c sandbox/landlock/apply.c $(BUILD)/flags | ready
	@mkdir -p $(BUILD)/lib/shunt
	@echo '  SO    $@'
	$(Q)$(CC) $(base_cflags) $(warnings) $(if $(DEV),-Werror) $(common_cflags) -O2 -g -fPIC -shared \
		-Wl,-z,relro,-z,now,-z,noexecstack,-z,defs -o $@ $(filter %.c,$^)
	$(Q)ln -sfn ../../libshunt-enter.so $(BUILD)/lib/shunt/libshunt-enter.so

# Each run would compile the plugin anew where its directory cannot be written to. Other interpreters than these do so.
byte_compile = $(Q)for python in '$(PYTHON)' python3 /usr/bin/python3; do \
	"$$python" -m compileall -q $(1) >/dev/null 2>&1 || true; done

$(share)/python.done: $(python_files)
	$(Q)rm -rf $(share)/python && mkdir -p $(share)/python
	$(Q)cp -R supervisor/adapters/pytest/shunt_plugin.py supervisor/adapters/pytest/shunt_pytest \
		supervisor/adapters/pytest/shunt_mark $(share)/python/
	$(Q)find $(share)/python -name __pycache__ -prune -exec rm -rf {} +
	$(call byte_compile,$(share)/python)
	@touch $@

# Shipped seccomp profiles are compiled now rather than at each start.
precompile := $(BUILD)/precompile
$(precompile): $(call obj,$(precompile_src)) $(sandbox_lib)
	@echo '  LD    $@'
	$(Q)$(CC) -pie $(harden_ldflags) $(LDFLAGS) -o $@ $^ $(LIBS)

$(share)/policies.done: $(policy_files) $(precompile)
	$(Q)rm -rf $(share)/policies && mkdir -p $(share)
	$(Q)cp -R policies $(share)/
	$(Q)$(precompile) $(share)/policies/seccomp
	@touch $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(supervisor_lib) $(sandbox_lib)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) -pie $(harden_ldflags) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# The worker of tests that are programs: started for each cell, and copied by each vfork(), so it is small; linked statically
# where that can be done, which saves half of its start. Never sanitized: it lives under the tests' limits.
$(runner): $(runner_src) supervisor/runner/table.h $(BUILD)/flags | ready
	@echo '  LD    $@'
	$(Q)$(CC) $(base_cflags) $(warnings) $(if $(DEV),-Werror) $(common_cflags) -O2 -g -Wl,-z,relro,-z,now,-z,noexecstack \
		$(if $(filter dynamic,$(LINK)),,$(if $(findstring /,$(call archive,c)),-static)) -o $@ $(runner_src)

unit-tests: $(unit_tests)

-include $(objects:.o=.d)

# ---- run -------------------------------------------------------------------------------------

# Debian's interpreter first: the one on PATH may be another, without pytest.
find_python = $$(PYTHON='$(PYTHON)' tests/tools/find-python)

demo: all ## install what is missing, build, and run the demo suite under shunt
	@PYTHON="$(find_python)" PYTEST='$(PYTEST)' SHUNT='$(shunt)' tests/tools/demo

# In this order; timings and budgets of these would disturb each other under -j.
checks := check-style check-unit check-integration check-compat check-escape check-san check-fuzz check-suites check-vm demo
check: $(checks) ## every test of the project
	@echo 'make check: $(checks:check-%=%) passed'

check-style: all ## include directions, documents against options and keys, the library's header and example
	@tests/tools/check-includes
	@tests/tools/check-options $(shunt)
	@tests/tools/check-policies $(shunt)
	@tests/tools/check-config $(shunt)
	@tests/tools/check-verdicts
	@tests/tools/check-library $(BUILD) '$(CC)' $(harden_ldflags)

check-unit: all $(unit_tests) ## unit tests (cmocka)
	@tests/tools/run-unit $(unit_tests)

check-integration: all ## pytest drives the real binary
	$(Q)SHUNT='$(abspath $(shunt))' $(find_python) -m pytest -p no:cacheprovider -q tests/integration

# `make check` runs a quick part; `make check-compat` all of it, or those named: CASES="options:maxfail state".
CASES ?= $(if $(filter check-compat,$(MAKECMDGOALS)),,--quick)
check-compat: all ## small suites under plain pytest, xdist and shunt, outcome by outcome (CASES=...)
	$(Q)SHUNT='$(abspath $(shunt))' PYTHON="$(find_python)" tests/compat/run $(CASES)

# Unpacked, not installed: every pytest of the machine would load an installed plugin.
deps-compat: ## the plugins that check-compat runs, unpacked from Debian's packages into $(BUILD)/compat
	$(Q)PYTHON="$(find_python)" tests/compat/run --missing $(filter-out --quick,$(CASES)) | while read -r first others; do \
		[ -z "$$first" ] || tests/compat/unpack $(BUILD)/compat/$$first $$first $$others || exit; done

# `make check` runs a quick part of one; `make check-suites` runs networkx and joblib, or those named: SUITES="dask trio".
SUITES ?= $(if $(filter check-suites,$(MAKECMDGOALS)),,networkx-quick)
check-suites: all ## real suites, outcome by outcome against plain pytest (SUITES=...)
	$(Q)SHUNT='$(abspath $(shunt))' PYTHON="$(find_python)" tests/suites/run $(SUITES)

# The attacks are one program of their own, which needs nothing but libc. ESCAPE="--policy hardened --rows 'mount*' -v" for a part.
attack := $(BUILD)/tests/escape/attack
attack_objects := $(call obj,$(sort $(wildcard tests/escape/*.c)))
-include $(attack_objects:.o=.d)
$(attack): $(attack_objects)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) -pie $(harden_ldflags) $(LDFLAGS) -o $@ $^

check-escape: all $(attack) ## real attacks from inside, under every policy, as root and as an ordinary user
	$(Q)SHUNT='$(abspath $(shunt))' PYTHON="$(find_python)" tests/escape/run --attack $(attack) $(ESCAPE)

# A make of its own below, since SAN=1 is another build. Bounded to what takes shunt through each of its parts.
check-san: ## unit tests and a part of the integration tests, with address and undefined-behaviour sanitizers
	$(Q)$(MAKE) --no-print-directory SAN=1 check-unit san-integration

san_exec := exit_status or signal_is_128 or task_limit or memory_limit or timeout_asks or left_behind or refused_calls or \
	account_of_a or hardened_opens or relayed_terminal_is or what_is_required
san_slow := flood_of_output or keeps_nobody_waiting or in_the_serial_lane_is_none or twice_is_killed
san-integration: all | check-unit
	$(Q)SHUNT='$(abspath $(shunt))' $(find_python) -m pytest -p no:cacheprovider -q --tb=short \
		tests/integration/test_exec.py -k '$(san_exec)'
	$(Q)SHUNT='$(abspath $(shunt))' $(find_python) -m pytest -p no:cacheprovider -q --tb=short \
		tests/integration/test_bad_input.py tests/integration/test_policy.py tests/integration/test_denials.py \
		-k 'not nothing_can_run' # LeakSanitizer needs a process more than there is
	$(Q)SHUNT='$(abspath $(shunt))' $(find_python) -m pytest -p no:cacheprovider -q --tb=short \
		tests/integration/test_verdicts.py -k 'not ($(san_slow))'

check-vm: all $(addprefix $(BUILD)/tests/,test_cgroup_real test_mounts_real test_mounts_run) $(attack) ## on pure cgroup v2, in user-mode Linux
	$(Q)SHUNT='$(abspath $(shunt))' PYTHON="$(find_python)" tests/vm/run

# ---- fuzzing: libFuzzer's, so with clang whatever CC is -----------------------------------------

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 30
fuzz_dir := $(BUILD)/fuzz
fuzz_names := profile filter $(if $(wildcard sandbox/policy/*.c),policy)
fuzz_programs := $(addprefix $(fuzz_dir)/fuzz_,$(fuzz_names))
fuzz_cflags := $(base_cflags) $(warnings) $(if $(DEV),-Werror) -O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
fuzz_obj = $(patsubst %.c,$(fuzz_dir)/obj/%.o,$(1))

$(fuzz_dir)/obj/%.o: %.c $(BUILD)/flags | ready
	@mkdir -p $(@D)
	@echo '  FUZZ  $<'
	$(Q)$(FUZZ_CC) $(fuzz_cflags) -MMD -MP -c -o $@ $<

fuzz_filter_src := $(wildcard supervisor/core/filter*.c) supervisor/core/verdict.c
$(fuzz_dir)/fuzz_filter: $(call fuzz_obj,$(fuzz_filter_src))
$(fuzz_dir)/fuzz_%: $(fuzz_dir)/obj/tests/fuzz/fuzz_%.o $(call fuzz_obj,$(sandbox_src))
	@echo '  LD    $@'
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $(LDFLAGS) -o $@ $^ $(LIBS)

-include $(patsubst %.o,%.d,$(call fuzz_obj,$(sandbox_src) $(fuzz_filter_src) $(wildcard tests/fuzz/*.c)))

check-fuzz: $(fuzz_programs) ## fuzz the parsers of profiles, policies and filters, FUZZ_SECONDS=30 each
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/tools/run-fuzz $(fuzz_dir) $(fuzz_names)

bench: all ## side by side with plain pytest and xdist
	$(Q)SHUNT='$(abspath $(shunt))' PYTHON="$(find_python)" tests/bench/run

# Each after the one before it, if that is to be made as well.
define after
$(1): | $(if $(filter check $(2),$(MAKECMDGOALS)),$(2))
endef
$(foreach n,$(wordlist 2,$(words $(checks)),1 2 3 4 5 6 7 8 9 10 11 12),$(eval $(call after,$(word $(n),$(checks)),$(word $(shell expr $(n) - 1),$(checks)))))

# ---- install ---------------------------------------------------------------------------------

dest := $(DESTDIR)$(PREFIX)

install: all ## install below PREFIX (/usr/local), staged in DESTDIR
	install -D -m 755 $(shunt) $(dest)/bin/shunt
	install -D -m 755 $(enter_lib) $(dest)/lib/shunt/libshunt-enter.so
	install -D -m 755 $(runner) $(dest)/lib/shunt/shunt-runner
	install -D -m 755 $(sandbox_so) $(dest)/lib/libshunt-sandbox.so.$(VERSION)
	ln -sfn libshunt-sandbox.so.$(VERSION) $(dest)/lib/libshunt-sandbox.so.$(sandbox_abi)
	ln -sfn libshunt-sandbox.so.$(sandbox_abi) $(dest)/lib/libshunt-sandbox.so
	install -m 644 $(sandbox_lib) $(dest)/lib/libshunt-sandbox.a
	install -D -m 644 $(public_header) $(dest)/include/shunt-sandbox.h
	install -d $(dest)/lib/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@LIBS@|$(sandbox_libs)|' sandbox/shunt-sandbox.pc.in \
		>$(dest)/lib/pkgconfig/shunt-sandbox.pc
	chmod 644 $(dest)/lib/pkgconfig/shunt-sandbox.pc
	install -d $(dest)/share/man/man1
	sed 's/@VERSION@/$(VERSION)/' docs/man/shunt.1 >$(dest)/share/man/man1/shunt.1
	chmod 644 $(dest)/share/man/man1/shunt.1
	install -d $(dest)/share/doc/shunt
	install -m 644 README.md NEWS.md LICENSE docs/*.md $(dest)/share/doc/shunt/
	rm -rf $(dest)/share/shunt
	mkdir -p $(dest)/share/shunt
	cp -R $(share)/python $(share)/policies docs/shunt.schema.json $(dest)/share/shunt/
	find $(dest)/share/shunt -name __pycache__ -prune -exec rm -rf {} +
	$(call byte_compile,$(dest)/share/shunt/python)
	chmod -R u=rwX,go=rX $(dest)/share/shunt
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then ldconfig; fi

uninstall: ## remove what install put there
	rm -f $(dest)/bin/shunt $(dest)/share/man/man1/shunt.1 $(dest)/lib/libshunt-sandbox.* \
		$(dest)/include/shunt-sandbox.h $(dest)/lib/pkgconfig/shunt-sandbox.pc
	rm -rf $(dest)/lib/shunt $(dest)/share/shunt $(dest)/share/doc/shunt

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
		while IFS='|' read -r a b; do printf '%-26s%s\n' "$$a" "$$b"; done
	@sed -n 's/^# \(Variables:\)/  \1/p; s/^#            \(PREFIX=\)/             \1/p' Makefile
