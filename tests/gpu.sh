#!/bin/sh
# Everything that needs a GPU: the tests that take one, then a table of speeds. Run it with the environment active; ten minutes.
set -e
cd "$(dirname "$0")/.."
python -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else "tests/gpu.sh: no GPU that torch can use: expected CUDA")'
python -m pytest -q -k cuda tests || echo "tests/gpu.sh: some tests failed on the GPU, see above"
python -m tests.benchmarks.gpu
