#!/bin/sh
# Deploys an image to the pool that has no requests, and rolls it out, judged by its traffic. Usage: ./deploy.sh shop:1.5.0
# CUTOVER_ADMIN: such as http://127.0.0.1:9900, after kubectl port-forward service/cutover-admin 9900
set -eu
IMAGE="${1:?Usage: $0 IMAGE}"
ACTIVE=$(cutover status shop --json | sed -n 's/.*"split":{[^}]*"\([a-z]*\)":100.*/\1/p')
case "$ACTIVE" in
  blue) NEXT=green ;;
  green) NEXT=blue ;;
  *) echo "shop is split between its pools: finish that first (cutover status shop)" >&2; exit 1 ;;
esac
kubectl set image "deployment/shop-$NEXT" "shop=$IMAGE"
kubectl rollout status "deployment/shop-$NEXT" --timeout 5m
exec cutover rollout start shop "$NEXT" --reason "$IMAGE" --wait
