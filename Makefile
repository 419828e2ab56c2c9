# The one door to every task; CI goes through it too. `make help` lists them.

# What `make test` may need beyond Rust.
PACKAGES := redis-server redis-tools nodejs npm prometheus
BUF := npx --yes @bufbuild/buf@1.75.0

.PHONY: help test tools check format docs proto publish-proto deny bench bench-registry demo

help: ## List the tasks.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: tools ## Run all tests; install what they need and is missing.
	cargo test --no-fail-fast

tools: ## Install what the tests need: a Redis server, Node, npm and Prometheus.
	@scripts/install-missing $(PACKAGES)

check: ## What must hold beside the tests: formatting, lints, proto, documents, dependencies.
	cargo fmt --check
	cargo clippy --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --no-deps --document-private-items
	$(MAKE) --no-print-directory proto
	$(MAKE) --no-print-directory deny

format: ## Format the code.
	cargo fmt

docs: ## Make the documents that are made from the code.
	cargo run --quiet -- config --reference > docs/settings.md
	cargo run --quiet -- config --metrics > docs/metrics.md

proto: tools ## Lint the API, and hold it to what was published.
	$(BUF) lint
	$(BUF) breaking --against proto/published.binpb

publish-proto: tools ## Publish the API as it is: from now on it may only grow.
	$(BUF) build --output proto/published.binpb

deny: ## Check the dependencies' licences and sources (deny.toml).
	@scripts/install-cargo-deny
	PATH="target/tools/bin:$$PATH" cargo deny --log-level error check bans licenses sources

bench: tools ## Measure Authorize beside a bare tonic service and a Node service.
	cargo bench --bench authorize

bench-registry: tools ## Measure the registry beside passport.socketio's filterSocketsByUser.
	cargo bench --bench registry

demo: ## Try it out.
	cargo run --release -- demo
