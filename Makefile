# A cluster on one Linux machine, and its tests. Debian 12, root, npm with Node >= 20, Go >= 1.24; the rest is set up here.
NAME  ?= lab
NODES ?= 3

.PHONY: setup lab lab-down test check
.DEFAULT_GOAL := help

help:
	@echo "make lab        set up, start a cluster ($(NODES) nodes, name $(NAME)), show its pods and policies, leave it running"
	@echo "make lab-down   end the cluster named $(NAME) and remove all of it"
	@echo "make test       set up, check, run every test"
	@echo "make check      types, lint, dead code, architecture, generated files"

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
