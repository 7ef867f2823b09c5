#!/bin/bash
# Starts the broker; the first time it formats its storage with the first users in it: admin and the three services. Their passwords
# are not here but what they can be checked with (python -m deploy.secrets).
set -euo pipefail
properties=/etc/jalur/kafka/server.properties
if [ ! -f /var/lib/kafka/data/meta.properties ]; then
  users=()
  while read -r user; do users+=(--add-scram "$user"); done < /secrets/users
  /opt/kafka/bin/kafka-storage.sh format --standalone --cluster-id "$(cat /secrets/cluster-id)" --config "$properties" "${users[@]}"
fi
exec /opt/kafka/bin/kafka-server-start.sh "$properties"
