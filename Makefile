# The one door to every task; CI goes through it too. `make help` lists them.

# What `make test` may need beyond Rust.
PACKAGES := redis-server redis-tools nodejs npm prometheus postgresql mariadb-server memcached
CHART_TESTS := target/chart/venv/bin/pytest -q -p no:cacheprovider tests/chart
# Cargo features that can be left out.
DRIVERS := mongodb mysql postgres sqlite
BUF := npx --yes @bufbuild/buf@1.75.0

.PHONY: help test tools examples clients clients-drift packages conformance move chart upgrade-test chart-tools chart-docs chart-golden check features format docs proto publish-proto deny bench bench-registry bench-session-ends fault-runs demo demo-chat test-chat

help: ## List the tasks.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: tools ## Run all tests; install what they need and is missing.
	cargo test --workspace --no-fail-fast

examples: tools ## Test the examples in Go and Python, which `make test` leaves out.
	cd examples/user-source-go && go vet ./... && go build -o ../../target/examples/user-source-go .
	@scripts/python-venv target/examples/python clients/python .
	cargo test --test socketpass -- --ignored user_sources::examples

clients: tools ## Test the clients of other languages, each in its own folder.
	cd clients/node && npm ci --no-audit --no-fund && npm run build && npm test
	cd clients/go && go vet ./... && go test ./...
	@scripts/python-venv target/clients/python clients/python '.[test]'
	cd clients/python && ../../target/clients/python/bin/pytest -q && ../../target/clients/python/bin/ruff check . && ../../target/clients/python/bin/mypy
	cd clients/java && mvn --batch-mode --quiet package

clients-drift: tools ## Hold the clients' stubs to the API.
	cd clients/node && npm ci --no-audit --no-fund && npm run generate:check
	cd clients/go && ./generate --check
	cd clients/python && ./generate --check
	cd clients/java && ./generate --check

packages: tools ## Build each client's package as it would be published, and use it in an empty project.
	set -e; for client in node python go java rust; do clients/$$client/test-package; done

conformance: tools ## Hold all clients to clients/README.md, with one runner.
	cargo build --quiet
	cd clients/conformance && npm ci --no-audit --no-fund && npm test && SOCKETPASS_BIN=../../target/debug/socketpass node run.js

move: tools ## Show what becomes of an application of passport.socketio's, beside the original.
	cargo build --quiet
	cd clients/node && npm ci --no-audit --no-fund && npm run build && SOCKETPASS_BIN=$(CURDIR)/target/debug/socketpass npm run test:move

tools: ## Install what the tests need: servers of each kind, Node, npm and Prometheus.
	@scripts/install-missing $(PACKAGES)

chart: chart-tools ## Test the chart and the image; build and install what that needs and is missing.
	scripts/image-files target/chart/image dev
	$(CHART_TESTS) -rs

upgrade-test: chart-tools ## Exchange replicas of an earlier release (RELEASE=git revision) by this one and back, under load.
	scripts/released-image $(RELEASE)
	scripts/image-files target/chart/image dev
	$(CHART_TESTS)/test_rolling.py -rs

chart-tools:
	@scripts/install-chart-tools

chart-docs: chart-tools ## Make the chart's README and schema from its values and docs/settings.md.
	scripts/chart-schema
	target/chart/readme/node_modules/.bin/readme-generator --values helm/socketpass/values.yaml --readme helm/socketpass/README.md

chart-golden: chart-tools ## Write anew what the chart renders, for the difference to be read.
	UPDATE_GOLDEN=1 $(CHART_TESTS) -k renders_as_before

check: ## What must hold beside the tests: formatting, lints, proto, documents, dependencies.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	$(MAKE) --no-print-directory features
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items
	$(MAKE) --no-print-directory proto
	$(MAKE) --no-print-directory deny

features: ## Check the program without the drivers of session stores, and with each alone.
	set -e; for driver in "" $(DRIVERS); do cargo check --quiet --no-default-features --features "$$driver"; done

format: ## Format the code.
	cargo fmt --all

docs: ## Make the documents that are made from the code.
	cargo run --quiet -- config --reference > docs/settings.md
	cargo run --quiet -- config --metrics > docs/metrics.md

proto: tools ## Lint the API, and hold it to what was published.
	$(BUF) lint
	$(BUF) breaking --against proto/published.binpb

publish-proto: tools ## Publish the API as it is: from now on it may only grow.
	$(BUF) build --output proto/published.binpb

deny: ## Check the dependencies' licences and sources (deny.toml).
	@scripts/install-cargo-tool cargo-deny 0.20.2
	PATH="target/tools/bin:$$PATH" cargo deny --log-level error check bans licenses sources

bench: tools ## Measure Authorize beside a bare tonic service and a Node service.
	cargo bench --bench authorize

bench-registry: tools ## Measure the registry beside passport.socketio's filterSocketsByUser.
	cargo bench --bench registry

bench-session-ends: tools ## Measure from a session's end to its socket's (SOCKETS=100000 for the long run, of minutes).
	cargo bench --bench session-ends -- measure --sockets $(or $(SOCKETS),10000) $(if $(filter-out 10000,$(SOCKETS)),--ends 5000 --interval 30)

fault-runs: tools ## Break what can break while sessions live and end (LOGOUTS=10000 for the long run, of minutes).
	cargo bench --profile $(or $(PROFILE),dev) --bench session-ends -- faults --logouts $(or $(LOGOUTS),300)

demo: ## Try it out.
	cargo run --release -- demo

demo-chat: ## Five chat servers in five languages with one login, side by side.
	@scripts/install-missing redis-server nodejs npm
	@node examples/chat/demo/demo.js

test-chat: ## Test them and their page in a real browser (UPDATE_SCREENSHOT=1: take docs/images/chat.png anew).
	@scripts/install-missing redis-server nodejs npm chromium
	cargo build --quiet
	cd examples/chat && npm ci --no-audit --no-fund --ignore-scripts && SOCKETPASS_BIN=$(CURDIR)/target/debug/socketpass npm test
