#!/usr/bin/env bash
# What ufw says is not true of containers: Docker forwards to published ports before ufw is asked. These rules, in the
# chain that Docker leaves to the owner of the machine, let in ports 80 and 443 and nothing else. They are set again
# whenever Docker starts.
set -euo pipefail

outside="$(ip -o route show default | awk '{ print $5; exit }')"
[ -n "$outside" ] || { echo 'there is no default route' >&2; exit 1; }

for tables in iptables ip6tables; do
  "$tables" -n -L DOCKER-USER >/dev/null 2>&1 || "$tables" -N DOCKER-USER || continue
  "$tables" -F DOCKER-USER
  "$tables" -A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
  for port in 80 443; do
    "$tables" -A DOCKER-USER -i "$outside" -p tcp -m conntrack --ctdir ORIGINAL --ctorigdstport "$port" -j RETURN
  done
  "$tables" -A DOCKER-USER -i "$outside" -j DROP
  "$tables" -A DOCKER-USER -j RETURN
done
