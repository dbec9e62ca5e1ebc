# The doors of the project. Each is one script of scripts/, which says what it does.
.DEFAULT_GOAL := help
.PHONY: help up down test test-long test-planted test-pythons test-bindings-asan bench bench-guard \
	bench-micro check clean

help:
	@echo "make up                 install what is missing, build, start the nodes of cluster.yaml, write and read"
	@echo "make down               stop the nodes of cluster.yaml; their data stays"
	@echo "make test               install what is missing, build, run every test"
	@echo "make test-long          what finds more the longer it runs: random worlds, nodes and module under TSan"
	@echo "make test-planted       show that every planted bug is caught"
	@echo "make test-pythons       the wheel, and all tests of it, on every supported Python found here"
	@echo "make test-bindings-asan the Python module with AddressSanitizer and UBSan; make test does the most of it"
	@echo "make bench              compare with etcd, side by side on this machine"
	@echo "make bench-guard        count the instructions of a committed write against the record"
	@echo "make bench-micro        time encoding, the log, hashing, the state machine and a step of a replica"
	@echo "make check              format, lint, includes, purity, types (mend with: scripts/check --fix)"
	@echo "make clean              stop the nodes, remove build/ and .venv/; data/ stays"

up:
	@scripts/up

down:
	@scripts/down

test:
	@scripts/test

test-long:
	@scripts/test deps build worlds tsan_nodes bindings_ends bindings_tsan

test-pythons:
	@scripts/test deps all_pythons

test-bindings-asan:
	@scripts/test deps bindings_asan bindings_ends

test-planted:
	@scripts/test deps planted

bench:
	@scripts/bench

bench-guard:
	@scripts/test deps instructions

bench-micro:
	@scripts/bench --micro

check:
	@scripts/check

clean: down
	rm -rf build .venv
