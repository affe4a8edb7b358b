import { once } from 'node:events'
import net from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { freePort, startUpstream, type Upstream } from '../support/upstream.ts'
import { problem, type RawRequest, send } from './support.ts'

const TOKENS = [
  { name: 'viewer', role: 'read', token: 'read-token-1' },
  { name: 'deploy', role: 'operate', token: 'operate-token-1' },
]
const OPERATE = { authorization: 'Bearer operate-token-1' }
const READ = { authorization: 'Bearer read-token-1' }
const LINK = '/api/services/shop/pools/green/preview'
/** What a browser sends beside, for a page and for what the page asks for. */
const PAGE = { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' }
const PART = { 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' }

let app: Upstream

beforeAll(async () => {
  app = await startUpstream((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://app')
    const set = searchParams.getAll('set')
    if (set.length > 0) response.setHeader('set-cookie', set)
    if (pathname === '/moved') response.writeHead(302, { location: '/login' })
    else response.writeHead(200, { 'content-security-policy': "default-src 'self'", 'clear-site-data': '"*"' })
    response.end('app')
  })
})
afterAll(() => app.close())
beforeEach(() => {
  app.requests.length = 0
})

async function start(admin: object, workers = 0): Promise<{ cutover: Cutover; origin: string }> {
  const port = await freePort()
  const pool = { servers: { one: app.url } }
  const cutover = await Cutover.start({
    services: { shop: { pools: { blue: pool, green: pool }, split: { blue: 100 }, health: 'off' } },
    admin: { preview: `127.0.0.1:${port}`, ...admin },
    proxy: { workers },
  })
  return { cutover, origin: `http://127.0.0.1:${port}` }
}

/** The cookie that a Set-Cookie field sets. */
const cookieOf = (headers: Headers) => `${headers.get('set-cookie')}`.split(';')[0] ?? ''

describe.each([
  ['one process', 0],
  ['a control process', 1],
])('previews at their own origin, with tokens, %s', (_what, workers) => {
  let cutover: Cutover
  let origin: string

  beforeAll(async () => {
    const started = await start({ tokens: TOKENS }, workers)
    cutover = started.cutover
    origin = started.origin
  })
  afterAll(() => cutover.stop('SIGKILL'))

  const ask = (path: string, request: Omit<RawRequest, 'path'> = {}) => send(origin, { path, ...request })
  const link = async (body: object = {}): Promise<string> => {
    const answer = await cutover.api('POST', LINK, body, OPERATE)
    expect([answer.status, answer.body.detail]).toEqual([200, undefined])
    return answer.body.url.slice(origin.length)
  }
  const session = async () => {
    const answer = await ask(await link(), { headers: PAGE })
    expect(answer.status).toBe(303)
    return cookieOf(answer.headers)
  }

  test('a link admits a browser once, and its ticket disappears from the address', async () => {
    const path = await link({ path: '/login?next=%2F&x=1' })
    expect(path).toMatch(/^\/preview\/shop\/green\/login\?next=%2F&x=1&cutover-ticket=[\w-]{32}$/)
    const opened = await ask(path, { headers: PAGE })
    expect([opened.status, opened.headers.get('location')]).toEqual([303, '/preview/shop/green/login?next=%2F&x=1'])
    expect(opened.headers.get('set-cookie')).toMatch(
      /^cutover_preview=[\w-]{32}; HttpOnly; SameSite=Lax; Path=\/preview\/$/,
    )
    expect(opened.headers.get('cache-control')).toBe('no-store')
    const cookie = cookieOf(opened.headers)
    const page = await ask('/preview/shop/green/login?next=%2F&x=1', { headers: { ...PAGE, cookie } })
    expect([page.status, page.body]).toEqual([200, 'app'])
    expect(app.requests).toMatchObject([{ url: '/login?next=%2F&x=1' }])
    problem(await ask(path, { headers: PAGE }), 403, 'Link expired')
    problem(await ask(path.replace(/=[\w-]+$/, '=x'), { headers: PAGE }), 403, 'Link expired')
  })

  test('a page there has no sandbox: it may do what it may do at its own host, and no more', async () => {
    const cookie = await session()
    const { headers } = await ask('/preview/shop/green/', { headers: { ...PAGE, cookie } })
    expect(headers.get('content-security-policy')).toBe("default-src 'self'")
    expect(headers.get('clear-site-data')).toBe(null)
    const own = { ...PART, cookie, origin }
    expect((await ask('/preview/shop/green/api', { method: 'POST', headers: own, body: 'x' })).status).toBe(200)
    const foreign = { ...PART, cookie, origin: cutover.admin }
    problem(
      await ask('/preview/shop/green/api', { method: 'POST', headers: foreign, body: 'x' }),
      403,
      'Foreign Origin',
    )
    const host = { ...PAGE, cookie, host: 'evil.example' }
    problem(await ask('/preview/shop/green/', { headers: host }), 403, 'Unexpected Host')
    const back = { origin, ...OPERATE }
    problem(await cutover.api('POST', '/api/services/shop/switch', {}, back), 403, 'Foreign Origin')
  })

  test("a page's request for an absolute path is mapped to its preview", async () => {
    const referer = `${origin}/preview/shop/green/login`
    const { status, headers } = await ask('/assets/app.js?v=1', { headers: { ...PART, referer } })
    expect([status, headers.get('location')]).toEqual([307, '/preview/shop/green/assets/app.js?v=1'])
    problem(await ask('/assets/app.js'), 404, 'Not found')
    const elsewhere = { referer: 'http://evil.example/preview/shop/green/' }
    problem(await ask('/assets/app.js', { headers: elsewhere }), 404, 'Not found')
  })

  test('without a link or a token of the role, access is refused', async () => {
    problem(await ask('/preview/shop/green/'), 401, 'Link needed')
    problem(await ask('/preview/shop/green/', { headers: { cookie: 'cutover_preview=x' } }), 401, 'Link needed')
    problem(await ask('/preview/shop/green/', { headers: { authorization: 'Bearer nonsense' } }), 401, 'Wrong token')
    problem(await ask('/preview/shop/green/', { headers: READ }), 403, 'Role too low')
    problem(await cutover.api('POST', LINK, {}, READ), 403, 'Role too low')
    problem(await cutover.api('POST', LINK), 401, 'Token needed')
    expect(app.requests).toEqual([])
    expect((await ask('/preview/shop/green/', { headers: OPERATE })).body).toBe('app')
    for (const path of ['/api/services', '/metrics', '/docs/', '/']) {
      problem(await ask(path, { headers: OPERATE }), 404, 'Not found')
    }
  })

  test("tokens of Cutover never reach the app; the app's own token does, from its page", async () => {
    const cookie = await session()
    await ask('/preview/shop/green/1', { headers: OPERATE })
    await ask('/preview/shop/green/2', { headers: { ...OPERATE, cookie } })
    await ask('/preview/shop/green/3', { headers: { ...READ, cookie } })
    await ask('/preview/shop/green/4', { headers: { ...PART, cookie, authorization: 'Bearer of-the-app' } })
    expect(app.requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/1', undefined],
      ['/2', undefined],
      ['/4', 'Bearer of-the-app'],
    ])
    expect(JSON.stringify(app.requests)).not.toMatch(/-token-1|cutover_preview/)
  })

  test('cookies of the app stay within its preview, and no others reach it', async () => {
    const cookie = await session()
    const set = [
      'id=1; Path=/; Domain=example.com; Secure; HttpOnly; SameSite=None',
      'csrf=2; path=/a; Max-Age=9',
      'plain=3',
      'cutover_preview=x',
    ]
    const query = set.map((each) => `set=${encodeURIComponent(each)}`).join('&')
    const before = { ...PAGE, cookie: `grafana_session=s3cret; ${cookie}; id=foreign` }
    const answer = await ask(`/preview/shop/green/?${query}`, { headers: before })
    expect(answer.headers.get('set-cookie')).toBe(
      ['id=1; Path=/preview/shop/green/; HttpOnly', 'csrf=2; Path=/preview/shop/green/a; Max-Age=9', 'plain=3'].join(
        ',',
      ),
    )
    const after = { ...PART, cookie: `id=1; csrf=2; ${cookie}; grafana_session=s3cret; id=foreign` }
    await ask('/preview/shop/green/', { headers: after })
    expect(app.requests.map(({ headers }) => headers.cookie)).toEqual([undefined, 'id=1; csrf=2'])
  })

  test('redirects of the app stay within the preview', async () => {
    const { headers } = await ask('/preview/shop/green/moved', { headers: OPERATE })
    expect(headers.get('location')).toBe('/preview/shop/green/login')
  })

  test('a link names an existing pool', async () => {
    problem(await cutover.api('POST', LINK.replace('green', 'gren'), {}, OPERATE), 404, 'Unknown pool')
    problem(await cutover.api('POST', LINK.replace('shop', 'shp'), {}, OPERATE), 404, 'Unknown service')
    problem(await cutover.api('POST', LINK, { path: '//evil.example\n' }, OPERATE), 422, 'Invalid value')
  })

  test('the admin API keeps its previews for curl, in a sandbox', async () => {
    const answer = await cutover.api('GET', '/preview/shop/green/', undefined, { ...OPERATE, cookie: 'a=1' })
    expect([answer.status, answer.body]).toEqual([200, 'app'])
    expect(answer.headers.get('content-security-policy')).toMatch(/^sandbox /)
    expect(app.requests[0]?.headers).toMatchObject({ cookie: 'a=1' })
    expect(app.requests[0]?.headers.authorization).toBeUndefined()
  })
})

describe('previews at their own origin, without tokens', () => {
  test('a browser that opens one at the admin API is redirected there, and gets a session', async () => {
    const { cutover, origin } = await start({})
    onTestFinished(async () => void (await cutover.stop('SIGKILL')))
    const sent = await send(cutover.admin, { path: '/preview/shop/green/a?b=1', headers: PAGE })
    expect(sent.status).toBe(303)
    const location = `${sent.headers.get('location')}`
    expect(location.startsWith(`${origin}/preview/shop/green/a?b=1&cutover-ticket=`)).toBe(true)
    const opened = await send(origin, { path: location.slice(origin.length), headers: PAGE })
    const cookie = cookieOf(opened.headers)
    const foreign = { ...PART, cookie: `${cookie}; other=s3cret` }
    expect((await send(origin, { path: '/preview/shop/green/a', headers: foreign })).body).toBe('app')
    // Straight there, too.
    const page = await send(origin, { path: '/preview/shop/green/', headers: { ...PAGE, cookie: 'other=s3cret' } })
    expect([page.body, cookieOf(page.headers)]).toEqual(['app', expect.stringMatching(/^cutover_preview=/)])
    await send(cutover.admin, { path: '/preview/shop/green/', headers: { ...PART, cookie: 'other=s3cret' } })
    expect(app.requests.map(({ headers }) => headers.cookie)).toEqual([undefined, undefined, undefined])
  })

  test('without an origin of their own there are no links, and every preview is in the sandbox', async () => {
    const { cutover } = await start({ preview: 'off' })
    onTestFinished(async () => void (await cutover.stop('SIGKILL')))
    problem(await cutover.api('POST', LINK), 409, 'No preview')
    const page = await send(cutover.admin, { path: '/preview/shop/green/', headers: PAGE })
    expect([page.status, page.headers.get('content-security-policy')]).toEqual([
      200,
      expect.stringMatching(/^sandbox /),
    ])
  })

  test.each([0, 1])('a port in use is reported with its key, %i workers', async (workers) => {
    const taken = net.createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    onTestFinished(() => void taken.close())
    const { port } = taken.address() as net.AddressInfo
    await expect(start({ preview: `127.0.0.1:${port}` }, workers)).rejects.toThrow(
      /ended with code 1 before it was ready:\n[\s\S]*admin\.preview: cannot listen on \S+: another process already listens there/,
    )
  })

  test.each([
    ['0.0.0.0:0', /admin\.preview: only loopback may listen without tokens/],
    ['unix:/tmp/x', /admin\.preview: expected host and port, such as 127\.0\.0\.1:9901, or off/],
  ])('only what a browser reaches, and nobody else, is taken: %s', async (preview, message) => {
    await expect(start({ preview })).rejects.toThrow(message)
  })
})
