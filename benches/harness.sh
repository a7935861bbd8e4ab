#!/usr/bin/env bash
# Runs the harness that measures other servers, too, with this one among them.
#
#   benches/harness.sh HARNESS subs --targets portolan,bound,async-graphql --n 1000,10000
#
# HARNESS is the folder with bench.py; how its own programs are built, its README says. What follows is handed to
# bench.py, of which a copy is run with `targets.toml` of this folder.

set -euo pipefail
harness=$(realpath "${1:?the folder with bench.py}")
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hub=$(cargo bench --no-run --bench subscriptions --message-format json |
  python3 -c '
import json, sys
built = [json.loads(line) for line in sys.stdin]
print(next(of["executable"] for of in built if of.get("executable") and of["target"]["name"] == "subscriptions"))')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$harness" "$work/harness"
mkdir "$work/data"
token=$(PORTOLAN_DATA_DIR=$work/data "$hub" --make-token)
sed -e "s|@HUB@|$hub|; s|@DATA@|$work/data|; s|@TOKEN@|$token|" benches/targets.toml >"$work/harness/targets.toml"
ulimit -n "$(ulimit -Hn)"
python3 "$work/harness/bench.py" "$@"
