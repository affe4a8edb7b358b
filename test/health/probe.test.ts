import { getEventListeners, once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { probe as probeEndpoint } from '../../src/health/probe.ts'
import type { HealthSpec } from '../../src/model/spec.ts'
import { Endpoint } from '../../src/net/endpoint.ts'
import type { Listening } from '../support/upstream.ts'
import { freePort } from '../support/upstream.ts'
import { endAll, healthSpec, raw, upstream } from './support.ts'

/** A server that answers every request with these bytes, and keeps the connection open. */
function says(...chunks: string[]): Promise<Listening> {
  return raw((socket) => {
    socket.setNoDelay().once('data', () => {
      for (const chunk of chunks) socket.write(chunk)
    })
  })
}

afterEach(endAll)

function probe(url: string, spec: HealthSpec, signal?: AbortSignal) {
  return probeEndpoint(new Endpoint({ url }), spec, signal)
}

describe('the request', () => {
  test('is a GET with the server’s address as host by default, over a connection of its own', async () => {
    const server = await upstream()
    expect(await probe(server.url, healthSpec())).toMatchObject({ ok: true, status: 200, error: null })
    await probe(server.url, healthSpec())
    expect(server.requests[0]).toMatchObject({
      method: 'GET',
      url: '/check',
      headers: { host: `127.0.0.1:${server.port}`, 'user-agent': 'Cutover-Health', connection: 'close' },
    })
    expect(server.accepted).toBe(2)
  })

  test('T16 has host, port, path and headers as configured', async () => {
    const [server, other] = [await upstream(), await upstream()]
    const spec = healthSpec({
      host: 'shop.example.com',
      port: other.port,
      path: '/a%2Fb//c/../d?x={}',
      headers: { 'User-Agent': 'mine', 'X-Probe': '1' },
    })
    expect((await probe(server.url, spec)).ok).toBe(true)
    expect(server.requests).toHaveLength(0)
    expect(other.requests[0]).toMatchObject({
      url: '/a%2Fb//c/../d?x={}',
      headers: { host: 'shop.example.com', 'user-agent': 'mine', 'x-probe': '1' },
    })
  })

  test('has a configured port in its host', async () => {
    const server = await upstream()
    await probe('http://127.0.0.1:1', healthSpec({ port: server.port }))
    expect(server.requests[0]?.headers.host).toBe(`127.0.0.1:${server.port}`)
  })
})

describe('the response', () => {
  test.each([
    [200, true],
    [204, true],
    [299, true],
    [300, false],
    [404, false],
    [503, false],
  ])('status %i with 200-299 expected: %s', async (status, ok) => {
    const server = await upstream((_request, response) => response.writeHead(status).end())
    const error = ok ? null : `status ${status}`
    expect(await probe(server.url, healthSpec())).toMatchObject({ ok, status, error })
  })

  test('T15 a redirect is a result, and is not followed', async () => {
    const server = await upstream((_request, response) => response.writeHead(302, { location: '/healthz' }).end())
    expect(await probe(server.url, healthSpec())).toMatchObject({ ok: false, status: 302, error: 'status 302' })
    expect(
      (
        await probe(
          server.url,
          healthSpec({
            expect: [
              [200, 200],
              [302, 302],
            ],
          }),
        )
      ).ok,
    ).toBe(true)
    expect(server.probes).toBe(0)
  })

  test('does not have to be complete if the body does not matter', async () => {
    const server = await says('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n')
    expect((await probe(server.url, healthSpec())).ok).toBe(true)
  })
})

describe('the body', () => {
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'

  test('is searched across chunks, before the response has ended', async () => {
    const server = await says(head, '9\r\nrubbish r\r\n', '3\r\nead\r\n', '3\r\ny, \r\n')
    expect((await probe(server.url, healthSpec({ body: 'ready' }))).ok).toBe(true)
  })

  test('is searched across the bytes of one character', async () => {
    const bytes = Buffer.from('größe')
    const server = await upstream((_request, response) => {
      response.write(bytes.subarray(0, 3))
      setImmediate(() => response.end(bytes.subarray(3)))
    })
    expect((await probe(server.url, healthSpec({ body: 'größe' }))).ok).toBe(true)
  })

  test('without the text fails, and the error quotes the text', async () => {
    const server = await upstream((_request, response) => response.end('not yet'))
    expect(await probe(server.url, healthSpec({ body: 'ready' }))).toMatchObject({
      ok: false,
      status: 200,
      error: 'body does not contain "ready"',
    })
    const long = await probe(server.url, healthSpec({ body: 'x'.repeat(1000) }))
    expect(long.error).toBe(`body does not contain "${'x'.repeat(40)}…"`)
  })

  test.each([
    [0, true],
    [1, false],
  ])('is searched up to 64 KiB, and %i bytes more: %s', async (more, ok) => {
    const server = await upstream((_request, response) => {
      response.write(`${'.'.repeat(64 * 1024 - 5 + more)}ready`) // never ended
    })
    expect((await probe(server.url, healthSpec({ body: 'ready' }))).ok).toBe(ok)
  })

  test('that breaks off fails', async () => {
    const server = await raw((socket) => socket.once('data', () => socket.end(`${head}3\r\nrea\r\n`)))
    expect((await probe(server.url, healthSpec({ body: 'ready' }))).error).toBe('connection closed')
  })
})

describe('failures', () => {
  test('no server listens', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    expect(await probe(url, healthSpec())).toMatchObject({ ok: false, status: null, error: 'connection refused' })
    expect((await probe(url.replace('127.0.0.1', 'localhost'), healthSpec())).error).toBe('connection refused')
  })

  test('a reset in the middle of the headers', async () => {
    const server = await raw((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-le', () => socket.resetAndDestroy()))
    })
    expect(await probe(server.url, healthSpec())).toMatchObject({ ok: false, status: null, error: 'connection reset' })
  })

  test('a close without a response', async () => {
    const server = await raw((socket) => socket.once('data', () => socket.end()))
    expect((await probe(server.url, healthSpec())).error).toBe('connection closed')
  })

  test('a malformed response, and an unexpected 101', async () => {
    const nonsense = await says('SSH-2.0-OpenSSH_9.6\r\n')
    expect((await probe(nonsense.url, healthSpec())).error).toBe('malformed response')
    const switching = await says('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
    expect((await probe(switching.url, healthSpec())).error).toBe('connection closed')
    const endless = await says(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`)
    expect((await probe(endless.url, healthSpec())).error).toBe('response headers too large')
  })

  test('TLS to a plain HTTP server', async () => {
    const server = await says('HTTP/1.1 400 Bad Request\r\n\r\n')
    const url = server.url.replace('http:', 'https:')
    expect((await probe(url, healthSpec())).error).toBe('TLS handshake failed')
  })

  test('an invalid request is a failed probe, not an exception', async () => {
    expect((await probe('http://127.0.0.1:1', healthSpec({ path: '/a b' }))).error).toBe('ERR_UNESCAPED_CHARACTERS')
    expect((await probe('http://127.0.0.1:1', healthSpec({ headers: { 'a b': 'c' } }))).ok).toBe(false)
  })
})

describe('the deadline', () => {
  test.each([
    ['no answer', []],
    ['headers that do not end', ['HTTP/1.1 200 OK\r\nx: y\r\n']],
    ['a body that does not end', ['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n', '12345']],
  ])('T15 of 100 ms over %s', async (_what, chunks) => {
    const server = await says(...chunks)
    const result = await probe(server.url, healthSpec({ timeoutMs: 100, body: 'ready' }))
    expect(result).toMatchObject({ ok: false, error: 'timeout' })
    expect(result.ms).toBeGreaterThanOrEqual(99)
    expect(result.ms).toBeLessThan(250)
  })

  test('covers the whole probe, even while bytes keep arriving', async () => {
    const server = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n')
      const trickle = setInterval(() => socket.write('.'), 5)
      socket.once('close', () => clearInterval(trickle))
    })
    const result = await probe(server.url, healthSpec({ timeoutMs: 100, body: 'ready' }))
    expect(result).toMatchObject({ ok: false, status: 200, error: 'timeout' })
    expect(result.ms).toBeLessThan(250)
  })

  test('leaves no connection behind', async () => {
    const server = await raw((socket) => {
      socket.resume().once('end', () => socket.end())
    })
    expect((await probe(server.url, healthSpec({ timeoutMs: 50 }))).error).toBe('timeout')
    await Promise.all([...server.sockets].map((socket) => once(socket, 'close')))
    expect(server.sockets.size).toBe(0)
  })
})

describe('the signal', () => {
  test('ends a probe at once', async () => {
    const abort = new AbortController()
    const server = await raw(() => abort.abort())
    expect((await probe(server.url, healthSpec(), abort.signal)).error).toBe('aborted')
    expect((await probe(server.url, healthSpec(), abort.signal)).error).toBe('aborted')
  })

  test('accumulates no listeners over probes', async () => {
    const { signal } = new AbortController()
    const server = await upstream()
    for (let i = 0; i < 20; i++) await probe(server.url, healthSpec(), signal)
    const refused = `http://127.0.0.1:${await freePort()}`
    for (let i = 0; i < 20; i++) await probe(refused, healthSpec(), signal)
    expect(getEventListeners(signal, 'abort').length).toBeLessThan(5)
  })
})
