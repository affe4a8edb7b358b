import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { importFrom, type Source } from '../../src/import/import.ts'

interface Service {
  readonly hosts?: readonly string[]
  readonly paths?: readonly string[]
  readonly pools: Readonly<Record<string, { readonly servers?: object }>>
  readonly routes?: readonly { readonly match: unknown; readonly to: string; readonly onUnavailable: string }[]
}

function services(source: Source, text: string): Readonly<Record<string, Service>> {
  const { yaml, problems } = importFrom(source, '-', text)
  expect(problems).toEqual([])
  return parse(yaml).services
}

/** The conditions under which a service sends requests nowhere. */
function refused(service: Service | undefined): readonly unknown[] {
  const routes = service?.routes?.filter(({ to, onUnavailable }) => to === 'nowhere' && onUnavailable === 'fail') ?? []
  expect(service?.pools.nowhere ?? {}).toEqual({})
  return routes.map(({ match }) => match)
}

const nginx = (inServer: string) => `upstream app { server 127.0.0.1:3000; } server { listen 80; ${inServer} }`
const EVERYTHING = { path: { prefix: '/' } }

test.each([
  ['an address that is denied', 'location / { deny 192.0.2.1; proxy_pass http://app; }', [{ ip: ['192.0.2.1'] }]],
  [
    'all but some addresses',
    'location / { allow 10.0.0.0/8; deny all; proxy_pass http://app; }',
    [{ not: { ip: ['10.0.0.0/8'] } }],
  ],
  ['an address, for all locations', 'deny 192.0.2.1; location / { proxy_pass http://app; }', [{ ip: ['192.0.2.1'] }]],
  ['a password', 'location / { auth_basic "x"; proxy_pass http://app; }', [EVERYTHING]],
  ['the permission of another server', 'auth_request /auth; location / { proxy_pass http://app; }', [EVERYTHING]],
  [
    'methods',
    'location / { limit_except GET { deny all; } proxy_pass http://app; }',
    [{ not: { method: ['GET', 'HEAD'] } }],
  ],
  [
    'what an if refuses',
    'location / { if ($arg_key = "") { return 401; } proxy_pass http://app; }',
    [{ query: { key: { present: false } } }],
  ],
  [
    'what an if of the server refuses',
    'if ($http_user_agent ~ "Bad") { return 403; } location / { proxy_pass http://app; }',
    [{ header: { 'user-agent': { contains: 'Bad' } } }],
  ],
  [
    'files that begin with a dot',
    'location / { proxy_pass http://app; } location ~ /\\. { deny all; }',
    [{ path: { contains: '/.' } }],
  ],
  [
    'what cannot be combined with its location',
    'location ~ \\.json$ { if ($uri ~ "/private") { return 403; } proxy_pass http://app; } location / { proxy_pass http://app; }',
    [{ path: { suffix: '.json' } }],
  ],
])('nginx: %s stays out', (_, inServer, matches) => {
  expect(refused(services('nginx', nginx(inServer)).app)).toEqual(matches)
})

test('nginx: a host that is redirected reaches no server', () => {
  const certbot =
    'server_name a.example.com www.example.com; if ($host = www.example.com) { return 301 /; } location / { proxy_pass http://app; }'
  const all = services('nginx', nginx(certbot))
  const redirected = Object.values(all).find(({ hosts }) => hosts?.includes('www.example.com'))
  expect(redirected?.pools).toEqual({ nowhere: {} })
})

test('nginx: a location behind try_files goes to the app', () => {
  const all = services('nginx', nginx('location / { try_files $uri @app; } location @app { proxy_pass http://app; }'))
  expect(Object.keys(all)).toEqual(['app'])
  expect(Object.keys(all.app?.pools ?? {})).toEqual(['app'])
})

const haproxy = (inBackend: string) =>
  `defaults\n mode http\nfrontend f\n bind :80\n default_backend app\nbackend app\n server s 127.0.0.1:1\n${inBackend}`

test.each([
  ['an address', ' tcp-request content reject if { src 192.0.2.1 }', [{ ip: ['192.0.2.1'] }]],
  [
    'a missing field',
    ' http-request deny unless { req.hdr(x) -m found }',
    [{ not: { header: { x: { present: true } } } }],
  ],
  ['a password', ' http-request auth unless { http_auth(people) }', [EVERYTHING]],
])('HAProxy: %s of a backend stays out', (_, line, matches) => {
  expect(refused(services('haproxy', haproxy(line)).app)).toEqual(matches)
})

const traefik = (middlewares: string, more = '') => `${more}
http:
  routers: { app: { rule: PathPrefix(\`/\`), service: app${middlewares} } }
  middlewares: { office: { ipAllowList: { sourceRange: [10.0.0.0/8] } }, people: { basicAuth: { users: [a] } } }
  services: { app: { loadBalancer: { servers: [{ url: http://127.0.0.1:1 }] } } }
`
test.each([
  ['other addresses', traefik(', middlewares: [office]'), [{ not: { ip: ['10.0.0.0/8'] } }]],
  ['a password', traefik(', middlewares: [people]'), [EVERYTHING]],
  ['a middleware that is elsewhere', traefik(', middlewares: [sso@docker]'), [EVERYTHING]],
  [
    'a middleware of the entry point',
    traefik('', 'entryPoints: { web: { address: ":80", http: { middlewares: [office@file] } } }'),
    [{ not: { ip: ['10.0.0.0/8'] } }],
  ],
])('Traefik: %s stays out', (_, text, matches) => {
  expect(refused(services('traefik', text).app)).toEqual(matches)
})

const caddy = (inSite: string) => `http://app.example.com {\n${inSite}\nreverse_proxy 127.0.0.1:1\n}\n`

test.each([
  ['other addresses', '@out not remote_ip 10.0.0.0/8\nabort @out', [{ not: { ip: ['10.0.0.0/8'] } }]],
  ['a password', 'basic_auth {\nann x\n}', [EVERYTHING]],
  ['the permission of another server', 'forward_auth auth:1 {\nuri /check\n}', [EVERYTHING]],
])('Caddy: %s stays out', (_, inSite, matches) => {
  expect(refused(services('caddy', caddy(inSite)).app)).toEqual(matches)
})
