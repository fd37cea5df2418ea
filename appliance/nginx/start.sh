#!/bin/sh
# Starts nginx, and reloads it when the certificate or the configuration changed: the old processes finish what they have.
set -eu

config=/etc/nginx/evothesis/nginx.conf
certificate=/etc/nginx/certificates/fullchain.pem

state() {
  if [ -f "$certificate" ]; then
    cksum "$certificate"
  fi
  cksum "$config"
}

watch() {
  before="$(state)"
  while sleep "${CERTIFICATE_LOOK_SECONDS:-60}"; do
    now="$(state)"
    if [ "$now" != "$before" ] && nginx -q -t -c "$config"; then
      nginx -s reload -c "$config"
      before="$now"
    fi
  done
}

watch &
exec nginx -c "$config" -g 'daemon off;'
