#!/bin/bash
# Deploys a version to all servers, one after the other. Usage: VERSION=1.5.0 ./rolling.sh
set -e

LB="${LB:-http://127.0.0.1:9900}"
SERVERS="${SERVERS:-app1 app2 app3 app4}"
VERSION="${VERSION:-latest}"

for SERVER in $SERVERS; do
  echo "Deploying $VERSION to $SERVER"

  # Take the server out, and give its requests time to finish.
  curl -sf -X POST "$LB/api/servers/$SERVER/drain" > /dev/null
  sleep "${DRAIN_SECONDS:-30}"

  ssh "deploy@$SERVER" "docker pull shop:$VERSION && docker stop shop && docker run -d --rm --name shop -p 9000:9000 shop:$VERSION"

  # Wait until the new version answers.
  for i in $(seq 1 30); do
    if ssh "deploy@$SERVER" "curl -sf http://localhost:9000/healthz" > /dev/null; then
      break
    fi
    if [ "$i" -eq 30 ]; then
      echo "$SERVER is not healthy, stopping" >&2
      exit 1
    fi
    sleep 2
  done

  curl -sf -X POST "$LB/api/servers/$SERVER/enable" > /dev/null
  echo "$SERVER is done"
done

echo "All servers run $VERSION"
