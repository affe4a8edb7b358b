# One image for an instance of Cutover, and for the example apps of docker-compose.yml.
#
#   docker build -t cutover .
#   docker run -v ./my-config:/etc/cutover:ro -v cutover-data:/data -p 8080:8080 cutover
#   docker run --rm -v ./my-config:/etc/cutover:ro --entrypoint cutover cutover check /etc/cutover/cutover.yaml

# The same Node that package.json pins for everybody else (devDependencies.node).
FROM node:26.10.0-bookworm-slim AS dependencies
WORKDIR /app
# Only these two: as long as they stay the same, so does this layer.
COPY package.json package-lock.json ./
# None of what runs in production needs an install script.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:26.10.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY config ./config
# Node runs TypeScript as it is; there is nothing to build.
COPY src ./src

# The store may write to /data and nowhere else, also where a configuration leaves store.path at its default, ./data.
# `cutover` is there for `docker exec`; bin/cutover.mjs is not, since it installs what is missing, and here nothing is.
RUN mkdir /data \
 && chown node:node /data \
 && ln -s /data ./data \
 && printf '#!/bin/sh\nexec node /app/src/main.ts "$@"\n' > /usr/local/bin/cutover \
 && chmod 755 /usr/local/bin/cutover
VOLUME /data

# Comes with the base image: 1000, without rights over anything above but /data.
USER node

# Proxy and admin API. In a container they have to listen on 0.0.0.0, the admin API then with admin.tokens.
EXPOSE 8080 9900

# Answers without a token, and as long as the process lives; whether it should get traffic is what /ready says.
# slim has no curl, but Node has fetch. With another admin port, give the container a health check of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9900/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# Requests under way finish (shutdown.timeout, 30 s by default): `docker stop` needs -t 45, its own default is 10 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "src/main.ts", "run"]
CMD ["--config", "/etc/cutover/cutover.yaml"]
