# Forwards to meson and to the scripts in tools/, for those who type make first.
NINJA = ninja -C

.PHONY: all install demo document-qa check test asan tsan fuzz bench format clean

all: build/build.ninja
	$(NINJA) build

# What is installed and measured is optimized over all files and by a profile.
install:
	tools/install.sh build release
	tools/release.sh build-release
	meson install -C build-release --no-rebuild

# Everything from an empty machine to answers with citations. DOCS=folder asks your own documents.
demo:
	tools/install.sh build demo
	$(MAKE) all
	tools/demo.sh

# Upload, ask, cited answers, in a browser: apps/document-qa.
document-qa: all
	apps/document-qa/start.sh build/penstock

# Everything that is tested, packages included; ends with "N passed, N failed".
check:
	tools/install.sh build demo check
	tools/check.sh

test: all
	meson test -C build --suite unit --suite lint --suite fuzz

asan: build-asan/build.ninja
	meson test -C build-asan --suite unit --suite fuzz

tsan: build-tsan/build.ninja
	meson test -C build-tsan --suite unit

# Searches for new inputs, a minute for each parser: make fuzz SECONDS=600
fuzz: build-fuzz/build.ninja
	tools/fuzz.sh build-fuzz $(or $(SECONDS),60)

bench:
	tools/install.sh build release bench
	-npm install --prefix bench --no-audit --no-fund --silent
	tools/release.sh build-release
	$(NINJA) build-release benches
	bench/run.sh build-release

format:
	clang-format -i src/*/*.[ch] test/unit/*.[ch] fuzz/*.c bench/*.c

clean:
	rm -rf build build-release build-asan build-tsan build-fuzz build-clang

build/build.ninja:
	tools/install.sh build
	meson setup build

build-asan/build.ninja:
	meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false

build-tsan/build.ninja:
	meson setup build-tsan -Db_sanitize=thread -Db_lundef=false

build-fuzz/build.ninja:
	CC=clang meson setup build-fuzz -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true
