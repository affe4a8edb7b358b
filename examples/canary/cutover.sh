#!/bin/sh
# A canary that judges itself: exit code 0 = it has all requests, 1 = it was taken back, 3 = somebody has to decide.
cd "$(dirname "$0")" || exit 2
exec cutover rollout start shop canary --file "${ROLLOUT:-rollout.yaml}" --reason "${REASON:-canary}" --wait
