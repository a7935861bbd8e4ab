#!/usr/bin/env bash
# Runs the harness that measures other servers, too, with this one among them.
#
#   benches/harness.sh HARNESS subs --targets portolan,bound,async-graphql --n 1000,10000
#   benches/harness.sh HARNESS http --workloads w1 --targets portolan-in,bound,bound-batched,bound-verify
#   benches/harness.sh HARNESS hooks --targets portolan-out,bound
#
# HARNESS is the folder with bench.py; how its own programs are built, its README says. What follows is handed to
# bench.py, of which a copy is run with `targets.toml` of this folder. Webhooks are kept on the harness's PostgreSQL
# (`db/start.sh`), in a database of their own; subscriptions are measured on SQLite.

set -euo pipefail
harness=$(realpath "${1:?the folder with bench.py}")
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
server=postgres://bench@127.0.0.1:${BENCH_PGPORT:-54329}

built() { # BENCH
  cargo bench --no-run --bench "$1" --message-format json | python3 -c '
import json, sys
built = [json.loads(line) for line in sys.stdin]
print(next(of["executable"] for of in built if of.get("executable") and of["target"]["name"] == sys.argv[1]))' "$1"
}

fresh_database() {
  psql --quiet "$server/postgres" --command 'DROP DATABASE IF EXISTS portolan_bench' \
    --command 'CREATE DATABASE portolan_bench'
  export PORTOLAN_DATABASE_URL=$server/portolan_bench
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$harness" "$work/harness"
mkdir "$work/data"
export PORTOLAN_DATA_DIR=$work/data
PORTOLAN_MASTER_KEY="1:$(head -c 32 /dev/urandom | base64)"
export PORTOLAN_MASTER_KEY
declare -A known=()
case ${1:-} in
  subs)
    known[HUB]=$(built subscriptions)
    known[TOKEN]=$("${known[HUB]}" --make-token)
    ;;
  http)
    known[INTAKE]=$(built webhooks_in)
    fresh_database
    known[HOOK]=$("${known[INTAKE]}" --make-source)
    ;;
  hooks)
    known[SENDER]=$(built webhooks_out)
    fresh_database
    "${known[SENDER]}" --make-destination
    ;;
esac
cp benches/targets.toml "$work/harness/targets.toml"
for name in "${!known[@]}"; do
  sed -i "s|@$name@|${known[$name]}|g" "$work/harness/targets.toml"
done
ulimit -n "$(ulimit -Hn)"
python3 "$work/harness/bench.py" "$@"
