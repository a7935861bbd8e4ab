#!/usr/bin/env bash
# Sets up what is missing and runs every check and test.
#
#   tests/all.sh            everything
#   tests/all.sh STEP…      only these, with only what they need
#   tests/all.sh --list     the steps, in a line each
#
# A failing step does not stop the later ones. The last line counts: every test that cargo
# ran by itself, every other step as one. The exit code is 0 when nothing failed.
#
# Unlike plain `cargo test`, which leaves out what has no server to run on, this is strict:
# a server that can neither be found nor installed fails the steps that need it. To use your
# own, set TEST_POSTGRES_URL (a superuser: tests create databases), TEST_NATS_URL and
# TEST_LOCALSTRIPE_URL.

set -euo pipefail

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "bash 4.4 or newer is needed, this is $BASH_VERSION" >&2
  exit 2
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portolan
js=$PWD/tests/js
playground=$PWD/playground
# Outside the clone, so that the next fresh clone need not build everything again.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"

# shellcheck source=tests/services.sh
source tests/services.sh

# The quick ones first, so that a slip is seen early.
steps=(
  'fmt            formatting'
  'sizes          no source file over 500 lines'
  'deny           licences, sources and duplicates of dependencies'
  'clippy         lints, warnings refused'
  'test-sqlite    every test, on SQLite'
  'test-postgres  the integration tests, on PostgreSQL'
  'schema         schema.graphql is what the binary prints'
  'settings       docs of settings, errors and providers are what the binary prints'
  'js             GraphQL-over-HTTP audit, a real token issuer, the real clients of subscriptions, webhook signatures by vendors, schema lint, breaking changes'
  'playground     types, lint and tests of the pages, their typed documents'
  'browser        the playground in a browser: queries, subscriptions, accessibility'
)

# --- Steps ---------------------------------------------------------------------------------
# Each runs in a subshell with `set -e`: the first command that fails, fails the step.

step_fmt() {
  cargo fmt --all --check
}

step_sizes() {
  find src migration -name target -prune -o -name '*.rs' -print0 | xargs -0 wc -l |
    awk '$2 != "total" { print $1, $2 }' | sort -rn >"$work/sizes"
  head -n 10 "$work/sizes"
  awk '$1 > 500 { long++; print $2 " is over 500 lines" } END { exit long > 0 }' "$work/sizes"
}

step_deny() {
  local checks=(bans licenses sources)
  if ! command -v cargo-deny >/dev/null; then
    note 'left out: cargo-deny is not installed (cargo install --locked cargo-deny)'
    return
  fi
  # Advisories need their database, which `cargo deny fetch` brings; nothing is fetched here.
  if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-db*/*" >/dev/null; then
    checks+=(advisories)
  else
    note 'left out: advisories, whose database is not here (cargo deny fetch)'
  fi
  cargo fetch --locked --quiet
  cargo deny --offline --locked check "${checks[@]}"
}

step_clippy() {
  cargo clippy --workspace --all-targets --locked -- -D warnings
}

step_test_sqlite() {
  TEST_DATABASE=sqlite tests --workspace
}

step_test_postgres() {
  TEST_DATABASE=postgres tests --test it
}

step_schema() {
  same schema.graphql schema
}

step_settings() {
  local drifted=0
  same docs/settings.md config reference || drifted=1
  same docs/settings.schema.json config schema || drifted=1
  same docs/errors.md errors || drifted=1
  same docs/provider.schema.json provider schema || drifted=1
  return $drifted
}

step_js() {
  local refused=0
  node "$js/audit.mjs" "$hub/graphql" || refused=1
  node "$js/issuer.mjs" "$hub/graphql" "$hub_token" || refused=1
  node "$js/live.mjs" "$CARGO_TARGET_DIR/debug/portolan" || refused=1
  node "$js/authorize.mjs" "$CARGO_TARGET_DIR/debug/portolan" || refused=1
  node "$js/lint.mjs" || refused=1
  node "$js/signatures.mjs" check "$CARGO_TARGET_DIR/debug/portolan" || refused=1
  node "$js/outbound.mjs" "$CARGO_TARGET_DIR/debug/portolan" || refused=1
  no_breaking_changes || refused=1
  return $refused
}

step_playground() {
  local refused=0 check
  for check in types lint test 'codegen -- --check'; do
    # shellcheck disable=SC2086
    npm --prefix "$playground" run --silent $check || refused=1
  done
  return $refused
}

step_browser() {
  if [[ -z $chromium ]]; then
    note 'left out: chromium is not installed (apt-get install chromium)'
    return
  fi
  TOKEN=$hub_token CHROMIUM=$chromium node "$js/browser.mjs" "$hub"
}

# --- What steps are made of ----------------------------------------------------------------

# Tests that hang are stopped: which ones is what was started and has no result above. Most of a test is waiting, for
# a server or for a moment, so there are more of them at a time than processors.
tests() { # WHAT…
  export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((2 * $(nproc)))}"
  cargo test --locked --no-run "$@" || return
  timeout --kill-after=30 "${TEST_MINUTES:-30}m" cargo test --locked --no-fail-fast "$@" && return
  (($? != 124)) || note "stopped after ${TEST_MINUTES:-30} minutes (TEST_MINUTES)"
  return 1
}

# A generated file has to be what the binary prints today.
same() { # FILE SUBCOMMAND…
  local file=$1
  shift
  cargo run --locked --quiet -- "$@" >"$work/printed" || return
  if ! diff --unified --label "$file" "$file" --label "portolan $*" "$work/printed"; then
    note "$file is out of date: cargo run -- $* > $file"
    return 1
  fi
}

no_breaking_changes() {
  local release
  if ! release=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    note 'left out: breaking changes, as there is no release (a tag v*) to compare with'
    return
  fi
  note "compared with $release"
  git show "$release:schema.graphql" >"$work/released.graphql" || return
  node "$js/breaking.mjs" "$work/released.graphql" schema.graphql
}

# --- What steps need -----------------------------------------------------------------------

prepare() { # STEP
  case $1 in
    test-sqlite) start_nats && start_localstripe ;;
    test-postgres) start_postgres && start_nats && start_localstripe ;;
    js) install_js "$js" && start_hub ;;
    playground) install_js "$playground" ;;
    browser) install_js "$js" && { find_chromium || true; } && start_hub ;;
  esac
}

install_js() { # FOLDER
  local major
  major=$(node -p 'parseInt(process.versions.node)' 2>/dev/null) || major=0
  ((major >= 20)) || {
    note 'Node 20 or newer is missing'
    return 1
  }
  # The lock that was installed lies beside what it installed.
  cmp --silent "$1/package-lock.json" "$1/node_modules/.installed" && return
  (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.installed)
}

# cargo builds the pages when they are older than their sources (see build.rs). They outlive the clone, as
# what cargo builds does, so that npm is not asked again for what it made before.
bring_pages() {
  [[ -e $playground/dist || ! -e $cache/pages ]] || cp -R "$cache/pages" "$playground/dist"
}

keep_pages() {
  [[ -e $playground/dist/.sources ]] || return 0
  cmp --silent "$playground/dist/.sources" "$cache/pages/.sources" && return
  rm -rf "$cache/pages" && cp -R "$playground/dist" "$cache/pages"
}

# --- Running and counting ------------------------------------------------------------------

passed=0
failed=0
failures=() # "step: what", for the end of the output

note() { echo "· $*"; }

run_step() { # STEP
  local step=$1 log=$work/$1.log code=1 began=$SECONDS
  printf '\n=== %s\n' "$step"
  : >"$log"
  if prepare "$step"; then
    # Not in a condition, where the step's own `set -e` would be ignored.
    set +e
    (set -e && "step_${step//-/_}") 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    set -e
  fi
  case $step in
    test-*) count_tests "$step" "$log" "$code" ;;
    *) count_step "$step" "$code" ;;
  esac
  printf -- '--- %s: %s, %d s\n' "$step" "$( ((code)) && echo failed || echo ok)" $((SECONDS - began))
}

count_step() { # STEP CODE
  if (($2)); then
    failed=$((failed + 1))
    failures+=("$1")
  else
    passed=$((passed + 1))
  fi
}

# Sums the lines `test result: ok. 3 passed; 0 failed; …` of every test binary.
count_tests() { # STEP LOG CODE
  local good bad name
  read -r good bad < <(awk '/^test result: / { p += $4; f += $6 } END { print p + 0, f + 0 }' "$2")
  passed=$((passed + good))
  failed=$((failed + bad))
  while read -r name; do
    failures+=("$1: $name")
  done < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$2" | sort -u)
  # A build that failed, a binary that died and a run of nothing have no failed test to show.
  if ((bad == 0 && ($3 != 0 || good == 0))); then
    failed=$((failed + 1))
    failures+=("$1: stopped before its tests were done, see above")
  fi
}

summary() {
  echo
  if ((${#failures[@]})); then
    echo 'Failed:'
    printf '  %s\n' "${failures[@]}"
  fi
  echo "$passed passed, $failed failed"
}

# --- The command line ----------------------------------------------------------------------

list() { printf '%s\n' "${steps[@]}"; }

# Prints the asked steps, or all of them.
chosen() { # STEP…
  local step known
  known=$(list | cut -d ' ' -f 1)
  if (($# == 0)); then
    echo "$known"
    return
  fi
  for step in "$@"; do
    grep --line-regexp --fixed-strings -e "$step" <<<"$known" || {
      echo "no step is called $step; there are: ${known//$'\n'/ }" >&2
      return 2
    }
  done
}

clean_up() {
  stop_started
  keep_pages || true
  rm -rf "$work" "${fleeting:-$work}"
}

main() {
  local step plan
  if [[ ${1:-} == --list ]]; then
    list
    return
  fi
  plan=$(chosen "$@")
  command -v cargo >/dev/null || {
    echo 'Rust is missing: cargo is not in the PATH' >&2
    return 2
  }

  work=$(mktemp -d "${TMPDIR:-/tmp}/portolan-tests.XXXXXX")
  # Servers that run as another user pass through it.
  chmod 711 "$work"
  trap clean_up EXIT
  mkdir -p "$cache"
  bring_pages

  for step in $plan; do
    run_step "$step"
  done
  summary
  ((failed == 0))
}

main "$@"
