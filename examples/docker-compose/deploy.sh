#!/bin/sh
# Deploys a version to the pool that has no requests, and switches to it when it is up. Usage: ./deploy.sh 1.5.0
set -eu
VERSION="${1:?Usage: $0 VERSION}"
ACTIVE=$(cutover status shop --json | sed -n 's/.*"split":{[^}]*"\([a-z]*\)":100.*/\1/p')
case "$ACTIVE" in
  blue) NEXT=green ;;
  green) NEXT=blue ;;
  *) echo "shop is split between its pools: finish that first (cutover status shop)" >&2; exit 1 ;;
esac
echo "$ACTIVE has the requests; deploying $VERSION to $NEXT"
env "$(echo "$NEXT" | tr '[:lower:]' '[:upper:]')=$VERSION" docker compose up -d --no-deps --wait "$NEXT"
# Refused while the new container is not up; answered when the old one is idle.
cutover switch shop "$NEXT" --wait 60s --reason "version $VERSION"
