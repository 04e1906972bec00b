#!/usr/bin/env bash
# Builds the wheel from the tree, installs it in an empty environment, and uses it from an empty folder.
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
builder=$(cd "$tree" && realpath -s "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$tree"
"$builder" -m build --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"${PYTHON:-python3}" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet "$work"/dist/*.whl --constraint constraints.txt
mkdir "$work/empty" && cd "$work/empty"
"$work/env/bin/mlp-toolkit" recipes
"$work/env/bin/mlp-toolkit" run iris -o train.epochs=5 --out run
"$work/env/bin/mlp-toolkit" run credit_default -o train.epochs=1 --out run2
test -s run/model.h5 && test -s run2/metrics.json
echo "wheel: ok"
