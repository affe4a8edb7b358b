#!/bin/sh
# Deploys a version beside the one that runs, and switches to it. Usage: ./deploy.sh green 1.5.0
set -eu
POOL="${1:?Usage: $0 POOL VERSION}"
VERSION="${2:?Usage: $0 POOL VERSION}"
ENVIRONMENT="${ENVIRONMENT:-/etc/shop}"
sed -i "s/^VERSION=.*/VERSION=$VERSION/" "$ENVIRONMENT/$POOL.env"
systemctl restart "shop@$POOL"
# Asks again while the unit starts: a switch to servers that are not up is refused.
for _ in $(seq 1 60); do
  cutover switch shop "$POOL" --wait 60s --reason "version $VERSION" && exit 0
  sleep 1
done
exit 1
