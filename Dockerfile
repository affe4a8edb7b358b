# Image of a Cutover instance, and of the example apps in docker-compose.yml.
#
#   docker build -t cutover .
#   docker run -v ./my-config:/etc/cutover:ro -v cutover-data:/data -p 8080:8080 cutover
#   docker run --rm -v ./my-config:/etc/cutover:ro --entrypoint cutover cutover check /etc/cutover/cutover.yaml

# The same Node that package.json pins (devDependencies.node).
FROM node:26.10.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts ./scripts
COPY src ./src
COPY dashboard ./dashboard
COPY tsconfig.json ./
RUN node scripts/bundle.mjs && node scripts/dashboard.mjs

FROM node:26.10.0-bookworm-slim AS dependencies
WORKDIR /app
# Only these two files, so that the layer changes only when they do.
COPY package.json package-lock.json ./
# No production dependency needs an install script.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:26.10.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY config ./config
COPY docs/problems.md ./docs/problems.md
COPY --from=build /app/dist ./dist
# The example apps of docker-compose.yml, which Node runs without a build.
COPY src/demo ./src/demo

# The store may only write to /data. The link covers configurations that leave store.path at its default, ./data.
# `cutover` is for `docker exec`. It replaces bin/cutover.mjs, which installs missing packages; here none are missing.
RUN mkdir /data \
 && chown node:node /data \
 && ln -s /data ./data \
 && printf '#!/bin/sh\nexec node /app/dist/main.js "$@"\n' > /usr/local/bin/cutover \
 && chmod 755 /usr/local/bin/cutover
VOLUME /data

# User 1000 of the base image; of the files above it may write only /data.
USER node

# Proxy and admin API. In a container both must listen on 0.0.0.0, which requires admin.tokens.
EXPOSE 8080 9900

# /healthz answers without a token as long as the process lives. /ready tells whether the instance should get traffic.
# slim has no curl, but Node has fetch. With another admin port, give the container a health check of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9900/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# Requests in progress finish within shutdown.timeout (30 s by default): use `docker stop -t 45`, its default is 10 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/main.js", "run"]
CMD ["--config", "/etc/cutover/cutover.yaml"]
