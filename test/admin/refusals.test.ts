import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { curl, problem, type RawRequest, send, useShop } from './support.ts'

const NAME = 'admin.example.com'
const shop = useShop({ admin: { hosts: [NAME] } })
const SWITCH = '/api/services/shop/switch'

/** Sends what has to be refused, and makes sure that it has changed nothing. */
async function refused(request: RawRequest, status: number, title: string): Promise<string> {
  const revision = await shop.revision()
  const body = problem(await send(shop.cutover.admin, request), status, title)
  expect(await shop.revision()).toBe(revision)
  return body.detail
}

/** The same, as a switch with these headers and this body. */
function refusedSwitch(headers: RawRequest['headers'], body: string | undefined, status: number, title: string) {
  const request = { method: 'POST', path: SWITCH, headers: headers ?? {}, ...(body === undefined ? {} : { body }) }
  return refused(request, status, title)
}

const JSON_TYPE = { 'content-type': 'application/json' }
const own = () => new URL(shop.cutover.admin).host

describe('S7: a foreign Origin', () => {
  test.each([
    'http://evil.example',
    'https://127.0.0.1',
    'http://127.0.0.1:1',
    'null',
    'http://127.0.0.1.evil.example',
  ])('%s is refused, for reads and writes', async (origin) => {
    expect(await refusedSwitch({ origin }, undefined, 403, 'Foreign Origin')).toContain(JSON.stringify(origin))
    await refused({ path: '/api/services', headers: { origin } }, 403, 'Foreign Origin')
    await refused({ path: '/metrics', headers: { origin } }, 403, 'Foreign Origin')
    await refused({ path: '/preview/shop/green/', headers: { origin } }, 403, 'Foreign Origin')
  })

  test('the own one by https is refused, too, since no proxy is trusted to report https', async () => {
    const headers = { origin: `https://${NAME}`, host: NAME, 'x-forwarded-proto': 'https' }
    expect(await refusedSwitch(headers, undefined, 403, 'Foreign Origin')).toContain('admin.trustedProxies')
  })

  test('the own one is accepted: the page at /docs may use the API', async () => {
    const headers = { origin: shop.cutover.admin }
    expect((await send(shop.cutover.admin, { method: 'POST', path: SWITCH, headers })).status).toBe(200)
  })
})

test('a reason on several lines is refused with the rule, and of a long one only the beginning is repeated', async () => {
  const ask = (reason: string) => refusedSwitch(JSON_TYPE, JSON.stringify({ reason }), 422, 'Invalid value')
  const rule = 'reason: expected at most 500 characters on one line, got'
  expect(await ask('a\nb')).toBe(`${rule} "a\\nb"`)
  expect((await ask('a'.repeat(1_000))).length).toBeLessThan(rule.length + 100)
})

describe('S7: an unexpected Host', () => {
  test.each(['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', 'a b', `${NAME}.evil.example`])(
    '%j is refused, for reads and writes',
    async (host) => {
      expect(await refusedSwitch({ host }, undefined, 403, 'Unexpected Host')).toContain('admin.hosts')
      await refused({ path: '/api/services', headers: { host } }, 403, 'Unexpected Host')
      await refused({ path: '/docs/', headers: { host } }, 403, 'Unexpected Host')
      await refused({ path: '/nothing', headers: { host } }, 403, 'Unexpected Host')
    },
  )

  test.each([
    ['an address', '10.1.2.3:9900'],
    ['an IPv6 address', '[::1]:9900'],
    ['localhost', 'localhost:9900'],
    ['a name below localhost', 'cutover.localhost'],
    ["this machine's name", hostname()],
    ['a single label, as containers have', 'cutover:9900'],
    ['a name in admin.hosts', `${NAME}:443`],
    ['the same in capitals', NAME.toUpperCase()],
  ])('%s is none', async (_what, host) => {
    expect((await send(shop.cutover.admin, { path: '/api/services', headers: { host } })).status).toBe(200)
  })

  const raw = async (head: string) => {
    const { hostname: address, port } = new URL(shop.cutover.admin)
    const socket = net.connect(Number(port), address)
    socket.write(head)
    return text(socket)
  }

  test('an empty one is refused', async () => {
    const answer = await raw('GET /api/services HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
    expect(answer).toContain('"title":"Unexpected Host"')
  })

  test('a probe by HTTP/1.0 without Host is accepted', async () => {
    expect(await raw('GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"status":"ok"\}$/)
  })
})

describe('S7: a body', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cutover-body-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test.each([
    ['1 MB and a byte', 1024 * 1024 + 1],
    ['3 MB', 3 * 1024 * 1024],
  ])('of %s is too large', async (_what, bytes) => {
    // curl reads the answer that comes before it has sent all; Node's client may lose it with the failed write.
    const file = join(folder, 'body.json')
    await writeFile(file, JSON.stringify({ reason: '' }).padEnd(bytes, ' '))
    const how = ['-X', 'POST', '-H', 'content-type: application/json', '--data-binary', `@${file}`]
    const revision = await shop.revision()
    const { status, body } = await curl(...how, `${shop.cutover.admin}${SWITCH}`)
    expect(await shop.revision()).toBe(revision)
    expect([status, JSON.parse(body).detail]).toEqual([413, 'A body may have at most 1048576 bytes.'])
  })

  test('of unknown length is refused when it becomes too large', async () => {
    const headers = { ...JSON_TYPE, 'transfer-encoding': 'chunked' }
    await refusedSwitch(headers, ' '.repeat(1024 * 1024 + 1), 413, 'Body too large')
  })

  test('of exactly 1 MB is accepted', async () => {
    const body = JSON.stringify({ to: 'green' }).padEnd(1024 * 1024, ' ')
    const { status } = await send(shop.cutover.admin, { method: 'POST', path: SWITCH, headers: JSON_TYPE, body })
    expect(status).toBe(200)
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/jsonx',
    'garbage',
  ])('of type %s is refused', async (type) => {
    const detail = await refusedSwitch({ 'content-type': type }, '{"to":"green"}', 415, 'Unexpected content type')
    expect(detail).toContain(`not ${type}: send -H 'content-type: application/json'`)
  })

  test('of no type is refused', async () => {
    const detail = await refusedSwitch({}, '{"to":"green"}', 415, 'Unexpected content type')
    expect(detail).toContain('must be JSON, this one does not say what it is: send -H')
  })

  test('of type JSON with a charset is accepted', async () => {
    const headers = { 'content-type': 'application/json; charset=utf-8' }
    const body = '{"to":"green"}'
    expect((await send(shop.cutover.admin, { method: 'POST', path: SWITCH, headers, body })).status).toBe(200)
  })

  test.each(['{', '{"to": green}', "{'to': 'green'}", '\u0000', '{"to":"green"}x'])(
    '%j is refused as JSON',
    async (body) => {
      expect(await refusedSwitch(JSON_TYPE, body, 400, 'Malformed JSON')).toMatch(/^The body is not JSON: \S/)
    },
  )

  test('with unknown fields is refused by their names', async () => {
    const body = '{"to":"green","dry_run":true,"forse":true,"__proto__":{"force":true}}'
    const detail = await refusedSwitch(JSON_TYPE, body, 422, 'Invalid value')
    expect(detail).toContain('dry_run: unknown key "dry_run" (known: to, drain, force, reason)')
    expect(detail).toContain('forse: unknown key "forse"; did you mean "force"?')
    expect(detail).toContain('__proto__: unknown key "__proto__"')
  })
})

test('a call that was passed on to another instance, which has or had this address, is refused', async () => {
  const headers = { 'x-cutover-for': '00000000-0000-0000-0000-000000000000' }
  const answer = await shop.api('POST', '/api/services/shop/switch', { to: 'green' }, headers)
  problem(answer, 421, 'Another instance')
  expect((await shop.view()).split).toEqual({ blue: 100, green: 0 })
})

test('a refusal reveals nothing about the inside', async () => {
  const answer = await send(shop.cutover.admin, { path: '/api/services', headers: { host: 'evil.example' } })
  const text = JSON.stringify([answer.body, [...answer.headers]])
  expect(text).not.toContain('shop')
  expect(text).not.toContain(own())
})
