#!/bin/bash
# Takes a server out for maintenance, and waits until its connections are gone. Usage: ./drain.sh app1
set -e

LB="${LB:-http://127.0.0.1:9900}"
SERVER="$1"
TIMEOUT="${TIMEOUT:-300}"

if [ -z "$SERVER" ]; then
  echo "Usage: $0 SERVER" >&2
  exit 1
fi

curl -sf -X POST "$LB/api/servers/$SERVER/drain" > /dev/null
echo "Draining $SERVER"

ELAPSED=0
while true; do
  ACTIVE=$(curl -sf "$LB/api/servers/$SERVER" | grep -o '"inFlight":[0-9]*' | head -1 | cut -d: -f2)
  if [ "$ACTIVE" -eq 0 ]; then
    break
  fi
  if [ "$ELAPSED" -ge "$TIMEOUT" ]; then
    echo "Still $ACTIVE requests after $TIMEOUT s" >&2
    exit 1
  fi
  echo "$ACTIVE requests left"
  sleep 1
  ELAPSED=$((ELAPSED + 1))
done

echo "$SERVER is drained"
