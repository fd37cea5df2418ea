#!/usr/bin/env bash
# Makes what only this machine knows: secrets, and a certificate to begin with. Run it as often as you like: what is there
# is never changed. Prints names, never values. Ends with code 3, and says what is missing, while a secret that somebody
# must give is not there.
set -euo pipefail
cd "$(dirname "$0")"
umask 077

app_uid=10001
mkdir -p secrets certificates
chmod 700 secrets certificates

# keep FILE: takes the standard input as the content of a file that is not there yet. `ln` never replaces: of two runs at
# once the first wins, and a full disk leaves no half a secret.
keep() {
  local part
  part="$(mktemp "$1.part.XXXXXX")"
  cat >"$part"
  if [ ! -s "$part" ]; then
    rm -f "$part"
    echo "could not make $1" >&2
    exit 1
  fi
  if ln "$part" "$1" 2>/dev/null; then echo "made $(basename "$1")"; fi
  rm -f "$part"
}

random_hex() {
  od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n'
}

missing=()
while read -r name kind owner; do
  [ -n "$name" ] || continue
  file="secrets/$name"
  if [ ! -e "$file" ]; then
    case "$kind" in
      hex)
        # An address that came from a backup of an earlier machine says the password.
        if [ "$name" = postgres-password ] && [ -e secrets/database-url ]; then
          sed 's,^postgres://[^:]*:\([^@]*\)@.*,\1,' secrets/database-url | tr -d '\n' | keep "$file"
        else
          random_hex | keep "$file"
        fi
        ;;
      webhook) printf 'whsec_%s' "$(head -c 32 /dev/urandom | base64 -w 0)" | keep "$file" ;;
      url) printf 'postgres://evothesis:%s@timescaledb:5432/evothesis' "$(cat secrets/postgres-password)" | keep "$file" ;;
      given) missing+=("$name") ;;
    esac
  fi
  if [ -e "$file" ]; then
    chmod 400 "$file"
    if [ "$(id -u)" = 0 ]; then
      if [ "$owner" = app ]; then chown "$app_uid:$app_uid" "$file"; else chown 0:0 "$file"; fi
    fi
  fi
done <secrets.list

# The client's own certificate, or one that nginx can start with until the real one is there.
if [ -e secrets/tls-certificate ] && [ -e secrets/tls-key ]; then
  for pair in tls-key:privkey.pem tls-certificate:fullchain.pem; do
    if ! cmp -s "secrets/${pair%%:*}" "certificates/${pair##*:}"; then
      cp "secrets/${pair%%:*}" "certificates/${pair##*:}.new"
      mv "certificates/${pair##*:}.new" "certificates/${pair##*:}"
      echo "took ${pair%%:*}"
    fi
  done
elif [ ! -e certificates/fullchain.pem ] && [ -e certbot/run.sh ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj '/CN=not yet issued' \
    -keyout certificates/privkey.pem -out certificates/fullchain.pem 2>/dev/null
  echo 'made a certificate to begin with'
fi

if [ "${#missing[@]}" -gt 0 ]; then
  echo "missing secrets: ${missing[*]}" >&2
  exit 3
fi
