import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { problem, send } from './support.ts'

const TOKENS = { read: 'read-token-1', operate: 'operate-token-1', admin: 'admin-token-1', hashed: 'hashed-token-1' }
type Who = keyof typeof TOKENS

let cutover: Cutover
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream()
  const hash = (token: string) => createHash('sha256').update(token).digest('hex')
  const pool = (name: string) => ({ servers: { [name]: upstream.url } })
  cutover = await Cutover.start({
    services: { shop: { pools: { blue: pool('blue1'), green: pool('green1') }, split: { blue: 100 } } },
    admin: {
      tokens: [
        { name: 'grafana', role: 'read', token: TOKENS.read },
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration takes it from the environment
        { name: 'deploy', role: 'operate', token: '${OPERATE_TOKEN}' },
        { name: 'boss', role: 'admin', token: TOKENS.admin },
        { name: 'hashed', role: 'operate', tokenHash: `sha256:${hash(TOKENS.hashed).toUpperCase()}` },
      ],
    },
    env: { OPERATE_TOKEN: TOKENS.operate },
  })
})
afterAll(async () => {
  await cutover.stop('SIGKILL')
  await upstream.close()
})

const ask = (method: string, path: string, who: Who | null, body?: unknown) =>
  cutover.api(method, path, body, who === null ? {} : { authorization: `Bearer ${TOKENS[who]}` })

const revision = async () => (await ask('GET', '/api/services', 'read')).body.revision

describe('S7: a token', () => {
  const paths = [
    '/api/services',
    '/api/servers',
    '/api/config',
    '/metrics',
    '/health',
    '/preview/shop/green/',
    '/nothing',
  ]

  test.each(paths)('is needed for %s', async (path) => {
    const answer = await ask('GET', path, null)
    expect(problem(answer, 401, 'Token needed').detail).toContain('-H "Authorization: Bearer TOKEN"')
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="cutover"')
  })

  test.each(['/', '/healthz', '/ready', '/docs/', '/api/openapi.json'])('is not needed for %s', async (path) => {
    await until(async () => (await ask('GET', path, null)).status === 200)
  })

  test.each([
    'Bearer wrong-token',
    'Bearer ',
    'Bearer',
    `Bearer ${TOKENS.admin}x`,
    `Bearer ${TOKENS.admin.slice(0, -1)}`,
    `Bearer ${TOKENS.admin} ${TOKENS.admin}`,
    `Basic ${TOKENS.admin}`,
    TOKENS.admin,
    `Bearer ${createHash('sha256').update(TOKENS.hashed).digest('hex')}`,
    '',
  ])('%j is wrong', async (authorization) => {
    const before = await revision()
    const answer = await cutover.api('POST', '/api/services/shop/switch', undefined, { authorization })
    expect(problem(answer, 401, 'Wrong token').detail).not.toContain('-token-1')
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
    expect(await revision()).toBe(before)
  })

  test('is recognized with any case of the scheme, configured as itself or as its hash', async () => {
    for (const [who, scheme] of [
      ['read', 'bearer'],
      ['operate', 'BEARER'],
      ['hashed', 'Bearer'],
    ] as const) {
      const answer = await cutover.api('GET', '/api/services', undefined, { authorization: `${scheme} ${TOKENS[who]}` })
      expect(answer.status).toBe(200)
    }
  })
})

describe('S7: a role', () => {
  const READS = [
    '/api/services',
    '/api/services/shop',
    '/api/services/shop/history',
    '/api/servers',
    '/metrics',
    '/health',
  ]
  const OPERATES = [
    ['POST', '/api/services/shop/switch'],
    ['POST', '/api/services/shop/shift'],
    ['POST', '/api/services/shop/rollback'],
    ['POST', '/api/servers/blue1/disable'],
    ['POST', '/api/servers/blue1/drain'],
    ['POST', '/api/servers/blue1/enable'],
    ['PATCH', '/api/servers/blue1'],
    ['GET', '/preview/shop/green/'],
    ['POST', '/preview/shop/green/'],
  ] as const
  const ADMINISTERS = [
    ['PUT', '/api/services/shop'],
    ['PATCH', '/api/services/shop'],
    ['DELETE', '/api/services/shop'],
    ['PUT', '/api/services/shop/pools/blue'],
    ['DELETE', '/api/services/shop/pools/green'],
    ['PUT', '/api/services/shop/pools/blue/servers/x'],
    ['DELETE', '/api/services/shop/pools/blue/servers/blue1'],
    ['POST', '/api/config/reload'],
    ['POST', '/api/certificates/renew'],
    ['GET', '/api/config'],
  ] as const
  const LEVELS: Readonly<Record<Who, number>> = { read: 0, operate: 1, hashed: 1, admin: 2 }

  test.each(READS)('%s needs read', async (path) => {
    for (const who of ['read', 'operate', 'hashed', 'admin'] as const) {
      expect((await ask('GET', path, who)).status).toBeLessThan(400)
    }
  })

  test.each([
    ...OPERATES.map(([method, path]) => [method, path, 'operate'] as const),
    ...ADMINISTERS.map(([method, path]) => [method, path, 'admin'] as const),
  ])('%s %s needs %s', async (method, path, needed) => {
    const before = await revision()
    for (const [who, level] of Object.entries(LEVELS) as [Who, number][]) {
      if (level >= LEVELS[needed]) continue
      const { detail } = problem(await ask(method, path, who), 403, 'Role too low')
      expect(detail).toMatch(new RegExp(`has the role "(read|operate)"; this needs "${needed}"\\.$`))
    }
    expect(await revision()).toBe(before)
    expect(upstream.requests).toEqual([])
  })

  test('a deploy needs admin for a server at a socket file', async () => {
    const before = await revision()
    const deploy = (who: Who) =>
      ask('POST', '/api/services/shop/deploy', who, { pool: 'blue', servers: { one: 'unix:/run/docker.sock' } })
    const { detail } = problem(await deploy('operate'), 403, 'Role too low')
    expect(detail).toBe(
      'The token "deploy" has the role "operate"; servers.one.url in a deploy, a socket file, needs "admin".',
    )
    problem(await deploy('admin'), 409, 'Does not fit the state')
    expect(await revision()).toBe(before)
  })

  test.each([
    ['ca', '/etc/passwd'],
    ['cert', '/nowhere.pem'],
    ['key', '/nowhere.pem'],
    ['insecure', true],
  ])('a deploy needs operate, and admin for tls.%s of a server', async (key, value) => {
    const before = await revision()
    const serverName = 'app.internal'
    const deploy = (who: Who, tls: object, to = 'blue') => {
      const servers = { one: 'https://127.0.0.1:9', two: { url: 'https://127.0.0.1:9', tls } }
      return ask('POST', '/api/services/shop/deploy', who, { pool: to, servers })
    }
    problem(await deploy('read', { serverName }), 403, 'Role too low')
    // The pool has the traffic, which is found out after the roles.
    problem(await deploy('operate', { serverName, ca: '', insecure: false }), 409, 'Does not fit the state')
    const { detail } = problem(await deploy('operate', { serverName, [key]: value }), 403, 'Role too low')
    expect(detail).toBe(`The token "deploy" has the role "operate"; servers.two.tls.${key} in a deploy needs "admin".`)
    const { status } = await deploy('admin', { serverName, [key]: value })
    expect([409, 422]).toContain(status)
    expect(await revision()).toBe(before)
  })

  test('HEAD needs no more than GET', async () => {
    const headers = { authorization: `Bearer ${TOKENS.read}` }
    const { status } = await send(cutover.admin, { method: 'HEAD', path: '/api/services', headers })
    expect(status).toBe(200)
  })

  test('that suffices is accepted, and the history names its token', async () => {
    await until(async () => (await ask('GET', '/ready', null)).status === 200)
    const by: string[] = []
    for (const who of ['operate', 'hashed', 'admin'] as const) {
      expect((await ask('POST', '/api/services/shop/switch?force', who)).status).toBe(200)
      by.push((await ask('GET', '/api/services/shop/history?limit=1', 'read')).body.history[0].by)
    }
    expect(by).toEqual(['deploy', 'hashed', 'boss'])
    const patched = await ask('PATCH', '/api/services/shop', 'admin', { minReady: 0 })
    expect(patched.body.changed).toBe(true)
  })
})

describe('secrets', () => {
  const all = Object.values(TOKENS)

  test('and their hashes are not in the configuration that is shown', async () => {
    const { status, body } = await ask('GET', '/api/config', 'admin')
    expect([status, body.admin.tokens]).toEqual([
      200,
      [
        { name: 'grafana', role: 'read' },
        { name: 'deploy', role: 'operate' },
        { name: 'boss', role: 'admin' },
        { name: 'hashed', role: 'operate' },
      ],
    ])
    const shown = JSON.stringify(body)
    for (const token of all) {
      const digest = createHash('sha256').update(token).digest()
      expect(shown).not.toContain(token)
      expect(shown).not.toContain(digest.toString('hex'))
      expect(shown).not.toContain(digest.toJSON().data.join())
    }
  })

  test('are sent to no server: a preview removes the token', async () => {
    upstream.requests.length = 0
    const { status, body } = await ask('GET', '/preview/shop/green/hello', 'operate')
    expect([status, body]).toEqual([200, 'upstream'])
    expect(upstream.requests).toMatchObject([{ url: '/hello' }])
    expect(upstream.requests[0]?.headers.authorization).toBeUndefined()
    expect(JSON.stringify(upstream.requests)).not.toContain(TOKENS.operate)
    upstream.requests.length = 0
  })

  test('are in no message about a bad configuration', async () => {
    const services = { shop: { pools: { blue: { servers: { blue1: upstream.url } } } } }
    await cutover.configure({ services, admin: { tokens: [{ name: 'x', role: 'read', token: 'sh0rt' }] } })
    const { problems } = problem(await ask('POST', '/api/config/reload', 'admin'), 422, 'Invalid configuration')
    expect(problems).toEqual([{ path: 'admin.tokens[0].token', message: 'expected at least 8 characters, no spaces' }])
  })

  test('are in no log', () => {
    for (const token of all) expect(cutover.stderr + cutover.stdout).not.toContain(token)
  })
})

test('without tokens only loopback may listen', async () => {
  const starts = ['0.0.0.0:0', '[::]:0', ':0', '192.0.2.1:0'].map((listen) =>
    expect(Cutover.start({ services: {}, admin: { listen } })).rejects.toThrow(
      /ended with code 2 before it was ready:\nadmin\.listen: only loopback may listen without tokens; add admin\.tokens or listen on 127\.0\.0\.1\n/,
    ),
  )
  await Promise.all(starts)
})
