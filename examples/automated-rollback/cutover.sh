#!/bin/sh
# Switches to the new version, and back if it is not healthy: exit code 1. Usage: ./cutover.sh
cd "$(dirname "$0")" || exit 2
cutover rollout start shop green --file "${ROLLOUT:-rollout.yaml}" --reason "${REASON:-deploy}" && cutover rollout status shop --wait 30m
