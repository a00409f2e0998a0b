#!/bin/sh
# Everything that needs a GPU: the tests that take one, then a table of speeds. Run it with the environment active; ten minutes.
set -e
cd "$(dirname "$0")/.."
python -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else "tests/gpu.sh: no GPU that torch can use: expected CUDA")'
status=0
python -m pytest -q -k cuda tests || status=$?
python -m tests.benchmarks.gpu
exit $status
