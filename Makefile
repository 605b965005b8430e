# The same sections as .ci/run, by name.
.PHONY: build test race fuzz bench ci golden

build:
	go build -o bin/stepwell ./cmd/stepwell

test:
	.ci/run test

race:
	.ci/run race

fuzz:
	.ci/run fuzz

bench:
	BENCHTIME=1s .ci/run bench

ci:
	.ci/run

# Rewrites every golden file from what the code says now; read the difference before you commit it.
golden:
	.ci/run golden
