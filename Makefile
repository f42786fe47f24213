# make demo and make test work on a bare Debian 12: they install what they need.

PYTHON ?= python3
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT := DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0
# Programs the tests drive: SMTP and IMAP clients, a browser, a terminal to run a mail reader in, a database, DNS servers;
# and npm, which fetches a corpus of real mail.
TEST_PROGRAMS := swaks mbsync neomutt tmux chromium chromedriver initdb clamd knotd unbound npm
TEST_PACKAGES := swaks isync neomutt tmux chromium chromium-driver postgresql clamav-daemon knot unbound npm

.PHONY: install demo test lint types layers check test-programs bench clean

install: .venv/.installed

demo: install
	.venv/bin/mailward demo

test: test-programs .venv/.test-installed
	.venv/bin/python -m pytest -q -n 2 --dist loadfile

check: lint layers types

lint: .venv/.test-installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

layers: .venv/.test-installed
	.venv/bin/lint-imports

types: .venv/.test-installed
	.venv/bin/mypy
	.venv/bin/mypy --explicit-package-bases tests/support/foundationdb.py

bench: .venv/.test-installed
	.venv/bin/python -m benchmarks

.venv/bin/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || ($(SUDO) $(APT) update && $(SUDO) $(APT) install -y python3-venv)
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/.test-installed: .venv/.installed
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

test-programs:
	@missing=; PATH="$$PATH:/usr/sbin:$$(echo /usr/lib/postgresql/*/bin | tr ' ' :)"; for p in $(TEST_PROGRAMS); do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing for the tests:$$missing"; \
	  $(SUDO) $(APT) update && $(SUDO) $(APT) install -y --no-install-recommends $(TEST_PACKAGES) >/dev/null; fi

clean:
	rm -rf .venv build *.egg-info mailward-demo
