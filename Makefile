# A cluster on one Linux machine, and its tests. Debian 12, root, npm with Node >= 20, Go >= 1.24; the rest is set up here.
NAME  ?= lab
NODES ?= 3
BENCH ?= ipam
SOAK  ?= ipam
MINUTES ?= 10
PODS ?= 1000
CHANGES ?= 200000

.PHONY: setup lab lab-down test check soak bench
.DEFAULT_GOAL := help

help:
	@echo "make lab        set up, start a cluster ($(NODES) nodes, name $(NAME)), show its pods and policies, leave it running"
	@echo "make lab-down   end the cluster named $(NAME) and remove all of it"
	@echo "make test       set up, check, run every test"
	@echo "make soak       address management under faults for MINUTES (10), on ever new seeds; or, with SOAK=first-instruction,"
	@echo "                the policy of PODS (1000) new pods while their agent is paused, killed and slowed"
	@echo "                with SOAK=cni, ADD and DEL killed and spoilt at every step, with every way to go on"
	@echo "                with SOAK=policy, the rules of random clusters against the specifications of policy"
	@echo "                with SOAK=felix, allowed and forbidden traffic while agents are killed and their backends switched"
	@echo "                with SOAK=conformance, every case of the policy conformance run with each backend"
	@echo "                with SOAK=bgp, streams between pods while sessions are laid out anew, and BIRDs and agents restarted"
	@echo "                with SOAK=churn, CHANGES ($(CHANGES)) changes through a node's Felix, which may hold no more for it"
	@echo "make check      types, lint, dead code, architecture, generated files"
	@echo "make bench      set up, measure (BENCH=$(BENCH), or cni, or policy), print what was measured beside its targets"

setup:
	@lab/bootstrap.sh

lab: setup
	@bin/margay lab up --name "$(NAME)" --nodes "$(NODES)"

lab-down:
	@bin/margay lab down --name "$(NAME)"

check: setup
	@npm run --silent check

test: check
	@npm test --silent

soak: setup
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" MINUTES="$(MINUTES)" PODS="$(PODS)" CHANGES="$(CHANGES)" node "test/soak/$(SOAK).ts"

bench: setup
	@npm run --silent bench -- "$(BENCH)"
