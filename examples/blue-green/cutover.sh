#!/bin/sh
# Switches from blue to green, or back; exit code 0 = in force, and the old pool is idle. Usage: ./cutover.sh green
exec cutover switch shop "${1:?Usage: $0 blue|green}" --wait "${WAIT:-60s}" --reason "${REASON:-release}"
