#!/bin/sh
# Deploys a version to all machines, one at a time, the first one watched for longer. Usage: ./deploy.sh 1.5.0
set -eu
VERSION="${1:?Usage: $0 VERSION}"
roll() { cutover roll shop --reason "version $VERSION" --exec "./on-machine.sh {host} $VERSION" "$@"; }
cd "$(dirname "$0")"
roll --server app1 --watch "${FIRST_WATCH:-2m}"
roll --server app2,app3,app4 --watch "${WATCH:-15s}"
