#!/bin/bash
# Switches to the new version, and back if it is not healthy. Usage: ./rollback.sh green blue
set -e

LB="${LB:-http://127.0.0.1:9900}"
APP="${APP:-http://127.0.0.1:8080}"
NEW="${1:-green}"
OLD="${2:-blue}"

curl -sf -X POST "$LB/api/services/shop/switch" -H 'Content-Type: application/json' -d "{\"to\": \"$NEW\"}" > /dev/null
echo "Switched to $NEW"

for i in 1 2 3 4 5; do
  sleep "${INTERVAL:-10}"
  STATUS=$(curl -s -o /dev/null -w '%{http_code}' "$APP/health")
  if [ "$STATUS" = "200" ]; then
    echo "$NEW is healthy"
    exit 0
  fi
  echo "Check $i of 5: status $STATUS"
done

echo "$NEW is not healthy, going back to $OLD" >&2
curl -sf -X POST "$LB/api/services/shop/switch" -H 'Content-Type: application/json' -d "{\"to\": \"$OLD\"}" > /dev/null
exit 1
