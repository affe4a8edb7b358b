#!/bin/sh
# Takes a server out for maintenance. Exit code 0: no request is in flight there, in the whole fleet. Usage: ./cutover.sh app1
exec cutover drain "${1:?Usage: $0 SERVER}" --wait "${TIMEOUT:-300}s" --reason "${REASON:-maintenance}"
