import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Upstream } from '../support/upstream.ts'
import { type Asked, labelled, Pair, startServers } from './support.ts'

const CONFIG = String.raw`
defaults base
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server 10s
    option forwardfor

defaults checked from base
    option httpchk GET /healthz
    http-check expect status 200
    timeout check 10s
    default-server check inter 500ms

frontend main from base
    bind 127.0.0.1:{port}
    http-request set-header X-Client-IP %[src]
    http-response set-header X-Frame-Options DENY
    http-response del-header X-Secret

    acl is_api      path_beg /api
    acl is_static   path_end .css .js
    acl host_shop   hdr(host) -i shop.example.com www.shop.example.com
    acl any_tenant  hdr_end(host) -i .tenants.example.com
    acl special     hdr(host) -i special.tenants.example.com
    acl is_admin    path_beg /admin
    acl elsewhere   src 192.0.2.0/24
    acl beta        req.cook(beta) -m str 1
    acl is_write    method POST PUT DELETE
    acl bot         hdr_sub(User-Agent) BadBot
    acl scanner     path_reg ^/(wp-login|xmlrpc)\.php$
    acl dice        rand(100) lt 20

    http-request deny if bot
    http-request deny deny_status 404 if scanner
    http-request deny if is_admin !elsewhere
    http-request return status 200 content-type text/plain string pong if { path /ping }

    use_backend static if is_static !is_api
    use_backend writes if is_api is_write
    use_backend api if is_api
    use_backend canary if host_shop beta
    use_backend canary if host_shop { req.hdr(X-Beta) -m found }
    use_backend canary if host_shop { urlp(version) -m str next }
    use_backend stable if host_shop
    use_backend special if special
    use_backend tenants if any_tenant
    use_backend weighted if { path_beg /weighted }
    use_backend canary if dice
    default_backend stable

backend stable from checked
    server s1 127.0.0.1:{stable}
backend canary from checked
    server c1 127.0.0.1:{canary}
backend api from checked
    http-request replace-path /api(/)?(.*) /\2
    http-request set-header X-Backend %b
    http-request del-header X-Debug
    server a1 127.0.0.1:{api}
# A route has the policies of its service, so these are those of api.
backend writes from checked
    http-request replace-path /api(/)?(.*) /\2
    http-request set-header X-Backend %b
    http-request del-header X-Debug
    server w1 127.0.0.1:{writes}
backend static from checked
    server st1 127.0.0.1:{static}
backend special from base
    server sp1 127.0.0.1:{special}
backend tenants from base
    server t1 127.0.0.1:{tenants}
    server t2 127.0.0.1:{special} backup
backend weighted from base
    balance roundrobin
    server h1 127.0.0.1:{heavy} weight 3
    server l1 127.0.0.1:{light} weight 1
    server d1 127.0.0.1:{stable} disabled
`
let servers: Readonly<Record<string, Upstream>> = {}
let pair: Pair
beforeAll(async () => {
  servers = await startServers(['stable', 'canary', 'api', 'writes', 'static', 'special', 'tenants', 'heavy', 'light'])
  pair = await Pair.start('haproxy', CONFIG, servers)
})
afterAll(async () => {
  await pair?.stop()
  await Promise.all(Object.values(servers).map((server) => server.close()))
})

const SHOP = 'shop.example.com'
const REQUESTS: readonly Asked[] = [
  { host: SHOP, path: '/' },
  { host: SHOP, path: '/cart?x=1&y=%20' },
  { host: 'www.shop.example.com', path: '/', method: 'POST', body: 'a=1' },
  { host: SHOP, path: '/', method: 'HEAD' },
  { host: SHOP, path: '/missing', headers: { 'x-want-status': '404' } },
  { host: SHOP, path: '/broken', headers: { 'x-want-status': '500' } },
  { host: SHOP, path: '/', headers: { cookie: 'a=b; beta=1' } },
  { host: SHOP, path: '/', headers: { cookie: 'beta=2' } },
  { host: SHOP, path: '/', headers: { 'x-beta': '' } },
  { host: SHOP, path: '/', headers: { 'x-beta': 'yes' } },
  { host: SHOP, path: '/?version=next' },
  { host: SHOP, path: '/?version=now' },
  { host: SHOP, path: '/app.css' },
  { host: SHOP, path: '/deep/app.js?v=3' },
  { host: SHOP, path: '/app.jsx' },
  { host: SHOP, path: '/api/app.js' },
  { host: SHOP, path: '/api/items?id=7', headers: { 'x-debug': '1' } },
  { host: SHOP, path: '/api/', method: 'OPTIONS' },
  { host: SHOP, path: '/api/items', method: 'POST', body: '{"a":1}' },
  { host: SHOP, path: '/api/items/7', method: 'DELETE' },
  { host: SHOP, path: '/api/items/7', method: 'PATCH', body: '{}' },
  { host: SHOP, path: '/api/x', headers: { cookie: 'beta=1' } },
  { host: 'api.example.org', path: '/api/x' },
  { host: 'api.example.org', path: '/api/x', method: 'PUT', body: 'x' },
  { host: 'a.tenants.example.com', path: '/' },
  { host: 'b.a.tenants.example.com', path: '/x' },
  { host: 'special.tenants.example.com', path: '/' },
  { host: 'special.tenants.example.com', path: '/x.css' },
  { host: 'a.tenants.example.com', path: '/api/x' },
  { host: 'a.tenants.example.com', path: '/admin' },
  { host: SHOP, path: '/admin' },
  { host: SHOP, path: '/admin/users' },
  { host: 'unknown.example.org', path: '/admin/users' },
  { host: SHOP, path: '/wp-login.php' },
  { host: SHOP, path: '/deep/wp-login.php' },
  { host: SHOP, path: '/ping' },
  { host: SHOP, path: '/pings' },
  { host: SHOP, path: '/', headers: { 'user-agent': 'Mozilla BadBot/1' } },
  { host: SHOP, path: '/api/x', headers: { 'user-agent': 'BadBot' } },
  { host: SHOP, path: '/', headers: { 'user-agent': 'GoodBot' } },
]

const SEEN = ['host', 'x-client-ip', 'x-forwarded-for', 'x-backend', 'x-debug', 'cookie', 'user-agent']

test('there are 40 requests', () => {
  expect(REQUESTS).toHaveLength(40)
})

test.each(labelled(REQUESTS))('%s gets the same from HAProxy and from Cutover', async (_, asked) => {
  const [haproxy, cutover] = await pair.ask(asked, SEEN, ['x-frame-options'])
  if (haproxy.server === null) {
    expect(cutover.server).toBeNull()
    expect([404, 503]).toContain(cutover.status)
  } else expect(cutover).toEqual(haproxy)
})

test('weights are those of HAProxy', async () => {
  const counts = await pair.count('any.example.org', '/weighted', 40)
  expect(counts).toEqual([
    { heavy: 30, light: 10 },
    { heavy: 30, light: 10 },
  ])
})

test('a share by rand() is a split, exactly', async () => {
  const [haproxy, cutover] = await pair.count('any.example.org', '/', 200)
  expect(cutover).toEqual({ stable: 160, canary: 40 })
  // HAProxy draws lots: 40 of 200, with a standard deviation of 5.7.
  expect(haproxy?.canary).toBeGreaterThan(5)
  expect(haproxy?.canary).toBeLessThan(80)
})
