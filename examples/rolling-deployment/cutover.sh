#!/bin/sh
# The same with cutover roll. Usage: VERSION=1.5.0 ./cutover.sh
exec cutover roll shop --reason "version ${VERSION:-latest}" --watch "${WATCH:-10s}" --exec \
  "ssh deploy@{server} 'docker pull shop:${VERSION:-latest} && docker stop shop && docker run -d --rm --name shop -p 9000:9000 shop:${VERSION:-latest}'"
