#!/bin/bash
# Starts the broker; the first time it formats its storage with the first users in it: admin and the three services. What is
# written of their passwords (python -m deploy.secrets) is salted, but enough to be let in: it goes through a file that only this user
# can read, one argument a line, and never among the arguments.
set -euo pipefail
properties=/etc/jalur/kafka/server.properties
if [ ! -f /var/lib/kafka/data/meta.properties ]; then
  users=$(umask 077 && mktemp /tmp/users.XXXXXX)
  trap 'rm -f "$users"' EXIT
  while read -r user; do printf '%s\n' --add-scram "$user"; done < /secrets/users > "$users"
  /opt/kafka/bin/kafka-storage.sh format --standalone --cluster-id "$(cat /secrets/cluster-id)" --config "$properties" "@$users"
  rm -f "$users"
fi
exec /opt/kafka/bin/kafka-server-start.sh "$properties"
