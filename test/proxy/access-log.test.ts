import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { ask, connect, endAll, logged, speaking, startCutover } from './support.ts'

let server: Awaited<ReturnType<typeof speaking>>

beforeAll(async () => {
  server = await speaking((request) => {
    if (request.startLine.includes('/slow')) return undefined
    return `HTTP/1.1 201 Created\r\ncontent-length: 7\r\n\r\n${request.startLine.startsWith('HEAD') ? '' : 'created'}`
  })
})

afterAll(endAll)

describe('the access log', () => {
  let cutover: Cutover

  beforeAll(async () => {
    cutover = await startCutover({
      app: { servers: [server] },
      odd: {
        servers: [],
        pools: { 'pool-1': { version: 'v"2\\é', servers: { 'server.1': `http://127.0.0.1:${server.port}` } } },
      },
    })
  })

  test('has a line for a request, with everything in it', async () => {
    const before = Date.now()
    const response = await ask(
      cutover,
      ['POST /orders?id=1 HTTP/1.1', 'host: APP.test:8080', 'content-length: 4'],
      'body',
    )
    const line = await logged(cutover, '/orders?id=1')
    const { time, ms, queueMs, connectMs, firstByteMs, traceId, ...rest } = line
    expect(rest).toEqual({
      level: 30,
      msg: 'request',
      client: '127.0.0.1',
      method: 'POST',
      host: 'APP.test:8080',
      target: '/orders?id=1',
      status: 201,
      bytes: 7,
      service: 'app',
      pool: 'main',
      version: '1.0',
      server: 'a',
      attempts: 1,
      requestId: response.field('x-request-id'),
    })
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(Date.now())
    expect(ms).toBeGreaterThan(0)
    expect(ms).toBeLessThan(5_000)
    expect(queueMs).toBe(0)
    expect(connectMs).toBeGreaterThan(0)
    expect(firstByteMs).toBeGreaterThan(connectMs as number)
    expect(firstByteMs).toBeLessThanOrEqual(ms as number)
    expect(traceId).toMatch(/^[0-9a-f]{32}$/)
  })

  test.each([
    ['/quotes"and\\backslashes', 'app.test'],
    ['/{"json":"of-its-own"}', 'app.test'],
    ['/plain', "app.test-~!$&'()*+,;="],
  ])('is JSON whatever is asked for: %s of %s', async (target, host) => {
    await ask(cutover, [`GET ${target} HTTP/1.1`, `host: ${host}`])
    expect(await logged(cutover, target)).toMatchObject({ target, host })
  })

  test('is JSON whatever the names are', async () => {
    await ask(cutover, ['GET /named HTTP/1.1', 'host: odd.test'])
    expect(await logged(cutover, '/named')).toMatchObject({ pool: 'pool-1', version: 'v"2\\é', server: 'server.1' })
  })

  test('counts the bytes of the body that went to the client: none for HEAD', async () => {
    await ask(cutover, ['HEAD /head HTTP/1.1', 'host: app.test'])
    expect(await logged(cutover, '/head')).toMatchObject({ method: 'HEAD', bytes: 0, status: 201 })
  })

  test('has a line for every one of many requests, each complete', async () => {
    const client = await connect(cutover)
    const targets = Array.from({ length: 500 }, (_, i) => `/many/${i}`)
    client.send(targets.map((target) => `GET ${target} HTTP/1.1\r\nhost: app.test\r\n\r\n`).join(''))
    for (const _ of targets) await client.response()
    for (const target of targets) await logged(cutover, target)
    const seen = cutover.accessLog().filter(({ target }) => String(target).startsWith('/many/'))
    expect(new Set(seen.map(({ target }) => target))).toEqual(new Set(targets))
    expect(seen).toHaveLength(targets.length)
  })

  test('has the line of a request that was answered just before the end', async () => {
    const ending = await startCutover({ app: { servers: [server] } })
    await ask(ending, ['GET /last HTTP/1.1', 'host: app.test', 'connection: close'])
    ending.process.kill('SIGTERM')
    expect(await ending.exited).toEqual({ code: 0, signal: null })
    expect(await logged(ending, '/last')).toMatchObject({ status: 201 })
  })
})

test('accessLog: off: not a line', async () => {
  const cutover = await startCutover({ app: { servers: [server] } }, { proxy: { accessLog: 'off' } })
  expect((await ask(cutover, ['GET /unlogged HTTP/1.1', 'host: app.test', 'connection: close'])).status).toBe(201)
  await ask(cutover, ['GET /unlogged HTTP/1.1', 'host: nobody.test', 'connection: close'])
  cutover.process.kill('SIGTERM')
  await cutover.exited
  expect(cutover.stdout).not.toContain('unlogged')
})

test.each([
  [
    'combined',
    /^127\.0\.0\.1 - - \[[^\]]+\] "POST \/a\?b=\\x22c HTTP\/1\.1" 201 7 "https:\/\/b\.test\/" "a \\x22b\\x5C"$/m,
  ],
  [
    'logfmt',
    /^time=\S+Z level=info msg=request client=127\.0\.0\.1 method=POST host=app\.test target="\/a\?b=\\"c" status=201 /m,
  ],
])('accessLog.format: %s, with what the client has sent', async (format, line) => {
  const cutover = await startCutover({ app: { servers: [server] } }, { proxy: { accessLog: { format } } })
  const fields = ['host: app.test', 'referer: https://b.test/', 'user-agent: a "b\\', 'content-length: 0']
  await ask(cutover, ['POST /a?b="c HTTP/1.1', ...fields])
  await cutover.printed(line)
})

test('accessLog.sample: about that share of the requests', async () => {
  const cutover = await startCutover({ app: { servers: [server] } }, { proxy: { accessLog: { sample: 0.25 } } })
  const client = await connect(cutover)
  const total = 2_000
  client.send('GET /sampled HTTP/1.1\r\nhost: app.test\r\n\r\n'.repeat(total))
  for (let i = 0; i < total; i++) await client.response()
  client.destroy()
  cutover.process.kill('SIGTERM')
  await cutover.exited
  // Six standard deviations of 2,000 times 25 %.
  expect(Math.abs(cutover.accessLog().length - 500)).toBeLessThan(120)
})
