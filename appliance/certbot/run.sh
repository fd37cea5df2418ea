#!/bin/sh
# Asks for a certificate, and renews it when a third of its life is left; looks twice a day. nginx serves the challenge and
# notices the new files.
# DOMAIN, CERTBOT_EMAIL and CERTBOT_STAGING come from compose.yaml.
set -eu

while :; do
  touch /tmp/certbot-alive
  set -- certonly --non-interactive --agree-tos --keep-until-expiring --webroot --webroot-path /var/www/challenges \
    --domain "$DOMAIN" --cert-name "$DOMAIN" --key-type ecdsa
  if [ -n "${CERTBOT_EMAIL:-}" ]; then
    set -- "$@" --email "$CERTBOT_EMAIL"
  else
    set -- "$@" --register-unsafely-without-email
  fi
  if [ "${CERTBOT_STAGING:-false}" = true ]; then
    set -- "$@" --staging
  fi
  wait_seconds=43200
  if certbot "$@"; then
    live="/etc/letsencrypt/live/$DOMAIN"
    # The key first: nginx looks at the certificate, and tests both before it takes them. In a shell of its own: nginx
    # must be able to read the next challenge.
    (
      umask 077
      for file in privkey.pem fullchain.pem; do
        if ! cmp -s "$live/$file" "/certificates/$file"; then
          cp "$live/$file" "/certificates/$file.new"
          mv "/certificates/$file.new" "/certificates/$file"
        fi
      done
    )
  else
    # The DNS record may still be on its way; Let's Encrypt allows five failures an hour.
    wait_seconds=1800
  fi
  sleep "$wait_seconds" &
  wait $!
done
