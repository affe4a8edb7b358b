import { once } from 'node:events'
import { constants } from 'node:http2'
import { describe, expect, test } from 'vitest'
import { answerOf } from '../support/http2.ts'
import { binary } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { breakOff, client, logged, startHttp2, upstream, upstream2 } from './support.ts'

const { NGHTTP2_CANCEL: CANCEL, NGHTTP2_INTERNAL_ERROR: INTERNAL_ERROR, NGHTTP2_NO_ERROR: NO_ERROR } = constants

/** A server that never answers, and counts the requests that it has, and those of them that came to their end. */
async function silent(version: string) {
  const seen = { open: 0, whole: 0, bytes: 0 }
  const follow = (request: NodeJS.ReadableStream & NodeJS.EventEmitter): void => {
    seen.open++
    request.on('data', (chunk: Buffer) => {
      seen.bytes += chunk.length
    })
    request.on('end', () => seen.whole++)
  }
  const server =
    version === '1.1'
      ? await upstream((request) => {
          follow(request)
          request.socket.once('close', () => seen.open--)
        })
      : await upstream2((stream) => {
          follow(stream)
          // The end that comes with a reset is none.
          stream.on('aborted', () => stream.removeAllListeners('end'))
          stream.once('close', () => seen.open--)
        })
  return { server, seen }
}

describe.each(['1.1', '2'])('with a server of HTTP/%s', (version) => {
  test.each([CANCEL, NO_ERROR])(
    'a client that resets its stream with %i is gone: the server sees it within a second, the log says 499',
    async (code) => {
      const { server, seen } = await silent(version)
      const cutover = await startHttp2({ app: { servers: [server] } })
      const connection = await client(cutover)
      const stream = connection.open({ ':path': '/app/gone' })
      await server.arrived(1)
      stream.close(code)
      await until(() => seen.open === 0, 1_000)
      expect(await logged(cutover, '/app/gone')).toMatchObject({ status: 499, error: 'client_gone' })
      expect(connection.session.closed).toBe(false)
    },
  )

  test('a client that closes its connection has left with all its requests', async () => {
    const { server, seen } = await silent(version)
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    for (let i = 0; i < 5; i++) connection.open({ ':path': `/app/${i}` })
    await server.arrived(5)
    connection.session.destroy()
    await until(() => seen.open === 0, 1_000)
    for (let i = 0; i < 5; i++) expect(await logged(cutover, `/app/${i}`)).toMatchObject({ status: 499 })
  })

  test.each([
    ['resets its stream', (stream: { destroy(): void }) => stream.destroy()],
    ['closes its connection', (stream: { session: { destroy(): void } | undefined }) => stream.session?.destroy()],
  ])('a body that breaks off because the client %s never reaches the server as a whole one', async (_what, leave) => {
    const { server, seen } = await silent(version)
    const cutover = await startHttp2({ app: { servers: [server] } })
    const stream = (await client(cutover)).open({ ':path': '/app/part', ':method': 'POST' })
    stream.write(binary(50_000))
    await until(() => seen.bytes === 50_000)
    // Without the end of the stream that node:http2 would send first.
    stream._final = (done) => done()
    leave(stream as never)
    await until(() => seen.open === 0, 1_000)
    expect(seen.whole).toBe(0)
    expect(await logged(cutover, '/app/part')).toMatchObject({ status: 499 })
  })

  test('an early answer ends the stream without an error, though the body was not read', async () => {
    const server =
      version === '1.1'
        ? await upstream((_request, response) => {
            response.writeHead(413, { 'content-length': 3, connection: 'close' }).end('no!')
          })
        : await upstream2((stream) => {
            stream.respond({ ':status': 413 })
            stream.end('no!')
          })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    const stream = connection.open({ ':path': '/app/', ':method': 'POST' })
    const answer = answerOf(stream)
    stream.write(binary(200_000))
    const { status, body, reset } = await answer
    expect([status, String(body), reset]).toEqual([413, 'no!', NO_ERROR])
    expect(connection.session.closed).toBe(false)
  })

  test('an early answer of Cutover itself, too, also one without a body', async () => {
    const { server } = await silent(version)
    const cutover = await startHttp2(
      { app: { servers: [server] } },
      { proxy: { limits: { bodyBytes: 1_000 }, listen: [{ address: '127.0.0.1:0', h2c: true }] } },
    )
    const connection = await client(cutover)
    for (const [path, wanted] of [
      ['/elsewhere', 404],
      ['/app/', 413],
    ] as const) {
      const stream = connection.open({ ':path': path, ':method': 'POST' })
      const answer = answerOf(stream)
      stream.write(binary(60_000))
      const { status, body, reset } = await answer
      expect([status, body.length > 0, reset]).toEqual([wanted, true, NO_ERROR])
    }
  })

  test('an answer that breaks off is broken off to the client, with what came of it', async () => {
    const server =
      version === '1.1'
        ? await upstream((_request, response) => {
            response.writeHead(200)
            response.write('part')
            setTimeout(() => response.destroy(), 100)
          })
        : await upstream2((stream) => {
            stream.respond({ ':status': 200 })
            stream.write('part')
            setTimeout(() => stream.session?.destroy(), 100)
          })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    const { status, body, reset } = await connection.get('/app/broken')
    expect([status, String(body), reset]).toEqual([200, 'part', INTERNAL_ERROR])
    expect(await logged(cutover, '/app/broken')).toMatchObject({ status: 200, error: 'connection_terminated' })
    expect(connection.session.closed).toBe(false)
  })
})

describe('a server of HTTP/2 that resets its answer', () => {
  test.each([
    ['CANCEL', CANCEL, CANCEL],
    ['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM, constants.NGHTTP2_ENHANCE_YOUR_CALM],
    // Without an error, though it has not ended: the answer is not whole.
    ['NO_ERROR', NO_ERROR, INTERNAL_ERROR],
  ])('with %s has it reset to the client', async (_name, code, expected) => {
    const server = await upstream2((stream) => {
      stream.respond({ ':status': 200 })
      stream.write('part')
      setTimeout(() => breakOff(stream, code), 100)
    })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const { status, body, reset } = await (await client(cutover)).get('/app/')
    expect([status, String(body), reset]).toEqual([200, 'part', expected])
    // A client of HTTP/1.1 sees the connection break.
    await expect(fetch(`${cutover.proxy}/app/`).then((response) => response.text())).rejects.toThrow()
  })

  test('after the answer has ended is no error', async () => {
    const server = await upstream2((stream) => {
      stream.respond({ ':status': 200 })
      stream.end('whole')
      stream.once('finish', () => setTimeout(() => stream.close(NO_ERROR), 50))
    })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const stream = (await client(cutover)).open({ ':path': '/app/', ':method': 'POST' })
    const answer = answerOf(stream)
    stream.write('x')
    await once(stream, 'response')
    const { body, reset } = await answer
    expect([String(body), reset]).toEqual(['whole', NO_ERROR])
  })
})
