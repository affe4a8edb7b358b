#!/bin/sh
# Installs a version on a machine that gets no requests, and restarts the app. Usage: ./on-machine.sh HOST VERSION
set -eu
scp -q "shop-$2.tar.gz" "deploy@$1:/tmp/"
ssh "deploy@$1" "tar -xzf /tmp/shop-$2.tar.gz -C /opt/shop && ln -sfn /opt/shop/$2 /opt/shop/current && sudo systemctl restart shop"
