#!/bin/bash
# Switches nginx from blue to green, or back. Usage: ./switch.sh green
set -e

cd "$(dirname "$0")"
TARGET="$1"
case "$TARGET" in
  blue | green) ;;
  *) echo "Usage: $0 blue|green" >&2; exit 1 ;;
esac

echo "default $TARGET;" > active.conf
nginx -t -c "$PWD/nginx.conf"
nginx -s reload -c "$PWD/nginx.conf"
echo "Switched to $TARGET"
