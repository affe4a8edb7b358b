import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Upstream } from '../support/upstream.ts'
import { type Asked, labelled, Pair, startServers } from './support.ts'

const CONFIG = String.raw`
map $cookie_beta $web_pool { default web_stable; yes web_canary; }
map $host $tenant { hostnames; default tenants; acme.example.net tenant_acme; .globex.example.net tenant_globex; }
split_clients $request_id $share { 20% even_canary; * even_stable; }

upstream web_stable { server 127.0.0.1:{stable}; }
upstream web_canary { server 127.0.0.1:{canary}; }
upstream api { server 127.0.0.1:{api} max_fails=3 fail_timeout=5s; }
upstream weighted { server 127.0.0.1:{heavy} weight=3; server 127.0.0.1:{light}; server 127.0.0.1:{canary} down; }
upstream even_stable { server 127.0.0.1:{stable}; }
upstream even_canary { server 127.0.0.1:{canary}; }
upstream tenants { server 127.0.0.1:{tenants}; }
upstream tenant_acme { server 127.0.0.1:{acme}; }
upstream tenant_globex { server 127.0.0.1:{globex}; }

proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;

client_max_body_size 8k;

server {
    listen 127.0.0.1:{port} default_server;
    server_name shop.example.com;
    add_header X-Frame-Options DENY always;

    location / { proxy_pass http://$web_pool; }
    location /api/ {
        proxy_pass http://api/;
        proxy_set_header X-Api yes;
        proxy_set_header X-Debug "";
        proxy_set_header Host api.internal;
        proxy_hide_header X-Upstream-Secret;
    }
    location /api/raw/ { proxy_pass http://api; }
    location = /exact { proxy_pass http://api; }
    location /weighted { proxy_pass http://weighted; }
    location /split { proxy_pass http://$share; }
    location /only-local/ { allow 127.0.0.1; deny all; proxy_pass http://api; }
    location /nobody/ { allow 192.0.2.1; deny all; proxy_pass http://api; }
    location /static/ { root /nowhere; }
    location ~ \.(php|cgi)$ { return 404; }
    location ~ /\.git { deny all; }
    location ^~ /raw/ { proxy_pass http://api; }
    location /if/ {
        if ($http_x_canary = "1") { proxy_pass http://web_canary; }
        if ($request_method = POST) { proxy_pass http://api; }
        proxy_pass http://web_stable;
    }
}
server {
    listen 127.0.0.1:{port};
    server_name *.example.net;
    location / { proxy_pass http://$tenant; proxy_set_header X-Tenant $host; }
    location /private { return 403; }
}
server {
    listen 127.0.0.1:{port};
    server_name defaults.example.com;
    location / { proxy_pass http://127.0.0.1:{api}; proxy_set_header X-Only "$remote_addr of $host"; }
}
server {
    listen 127.0.0.1:{port};
    server_name part.example.com;
    location /app { proxy_pass http://api; }
}
`
let servers: Readonly<Record<string, Upstream>> = {}
let pair: Pair
beforeAll(async () => {
  servers = await startServers(['stable', 'canary', 'api', 'heavy', 'light', 'tenants', 'acme', 'globex'])
  pair = await Pair.start('nginx', CONFIG, servers)
})
afterAll(async () => {
  await pair?.stop()
  await Promise.all(Object.values(servers).map((server) => server.close()))
})

const SHOP = 'shop.example.com'
const REQUESTS: readonly Asked[] = [
  { host: SHOP, path: '/' },
  { host: SHOP, path: '/cart?x=1&y=%20' },
  { host: SHOP, path: '/', method: 'POST', body: 'a=1' },
  { host: SHOP, path: '/big', method: 'POST', body: 'x'.repeat(9000) },
  { host: SHOP, path: '/', headers: { cookie: 'a=b; beta=yes' } },
  { host: SHOP, path: '/', headers: { cookie: 'beta=no' } },
  { host: SHOP, path: '/missing', headers: { 'x-want-status': '404' } },
  { host: SHOP, path: '/broken', headers: { 'x-want-status': '500' } },
  { host: SHOP, path: '/', method: 'DELETE' },
  { host: SHOP, path: '/', method: 'HEAD' },
  { host: 'unknown.example.org', path: '/' },
  { host: 'unknown.example.org', path: '/api/x' },
  { host: `${SHOP}:8080`, path: '/api/x' },
  { host: SHOP, path: '/api/items?id=7', headers: { 'x-debug': '1', 'x-kept': '2' } },
  { host: SHOP, path: '/api/', method: 'PUT', body: '{}' },
  { host: SHOP, path: '/api/deep/er', headers: { 'x-want-status': '503' } },
  { host: SHOP, path: '/api/raw/x' },
  { host: SHOP, path: '/exact' },
  { host: SHOP, path: '/exact/below' },
  { host: SHOP, path: '/only-local/x' },
  { host: SHOP, path: '/nobody/x' },
  { host: SHOP, path: '/static/app.js' },
  { host: SHOP, path: '/index.php' },
  { host: SHOP, path: '/deep/run.cgi?x=1' },
  { host: SHOP, path: '/index.phps' },
  { host: SHOP, path: '/.git/config' },
  { host: SHOP, path: '/a/.gitignore' },
  { host: SHOP, path: '/raw/index.php' },
  { host: SHOP, path: '/if/' },
  { host: SHOP, path: '/if/', headers: { 'x-canary': '1' } },
  { host: SHOP, path: '/if/x', method: 'POST', body: 'x' },
  { host: 'other.example.net', path: '/' },
  { host: 'acme.example.net', path: '/x' },
  { host: 'globex.example.net', path: '/' },
  { host: 'a.b.globex.example.net', path: '/y' },
  { host: 'acme.example.net', path: '/private' },
  { host: 'other.example.net', path: '/api/x' },
  { host: 'defaults.example.com', path: '/?q' },
  { host: 'part.example.com', path: '/app/x' },
  { host: 'part.example.com', path: '/elsewhere' },
]

const SEEN = ['host', 'x-real-ip', 'x-api', 'x-debug', 'x-kept', 'x-tenant', 'x-only', 'cookie']

test('there are 40 requests', () => {
  expect(REQUESTS).toHaveLength(40)
})

test.each(labelled(REQUESTS))('%s gets the same from nginx and from Cutover', async (_, asked) => {
  const [nginx, cutover] = await pair.ask(asked, SEEN, ['x-frame-options'])
  // nginx cuts the port off in $host; Cutover passes Host on.
  const withoutPort = { ...cutover, seen: cutover.seen && { ...cutover.seen, host: nameOf(cutover.seen.host) } }
  if (nginx.server === null && nginx.status !== 413) {
    expect(cutover.server).toBeNull()
    expect([404, 503]).toContain(cutover.status)
  } else expect(withoutPort).toEqual(nginx)
})

function nameOf(host: unknown): unknown {
  return typeof host === 'string' && host.startsWith(SHOP) ? host.replace(/:\d+$/, '') : host
}

test('weights are those of nginx', async () => {
  const counts = await pair.count(SHOP, '/weighted/x', 40)
  expect(counts).toEqual([
    { heavy: 30, light: 10 },
    { heavy: 30, light: 10 },
  ])
})

test('a split of requests is a split, exactly', async () => {
  const [nginx, cutover] = await pair.count(SHOP, '/split/x', 200)
  expect(cutover).toEqual({ stable: 160, canary: 40 })
  // nginx draws lots: 40 of 200, with a standard deviation of 5.7.
  expect(nginx?.canary).toBeGreaterThan(5)
  expect(nginx?.canary).toBeLessThan(80)
})
