import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { answerOf } from '../support/http2.ts'
import { binary } from '../support/raw-client.ts'
import { standstill } from '../support/standstill.ts'
import { client, startHttp2, upstream, upstream2 } from './support.ts'

describe.each(['1.1', '2'])('with a server of HTTP/%s', (version) => {
  test('an event of a stream reaches the client at once, and the head before it', async () => {
    let send: (text: string) => void = () => undefined
    const server =
      version === '1.1'
        ? await upstream((_request, response) => {
            response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
            send = (text) => response.write(text)
          })
        : await upstream2((stream) => {
            stream.respond({ ':status': 200, 'content-type': 'text/event-stream' })
            send = (text) => stream.write(text)
          })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const stream = (await client(cutover)).open({ ':path': '/app/' })
    const [headers] = await once(stream, 'response')
    expect(headers[':status']).toBe(200)
    for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
      const since = performance.now()
      send(text)
      expect(String((await once(stream, 'data'))[0])).toBe(text)
      expect(performance.now() - since).toBeLessThan(500)
    }
    stream.close()
  })

  test('a client that does not read holds the server back, and gets all of it later', async () => {
    const total = 30_000_000
    const piece = binary(100_000)
    let sent = 0
    const write = (out: {
      write(piece: Buffer): boolean
      end(): void
      once(event: 'drain', act: () => void): unknown
    }): void => {
      while (sent < total) {
        sent += piece.length
        if (!out.write(piece)) {
          out.once('drain', () => write(out))
          return
        }
      }
      out.end()
    }
    const server =
      version === '1.1'
        ? await upstream((_request, response) => write(response))
        : await upstream2((stream) => {
            stream.respond({ ':status': 200 })
            write(stream)
          })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const stream = (await client(cutover)).open({ ':path': '/app/' })
    await once(stream, 'response')
    expect(await standstill(() => sent)).toBeLessThan(total / 2)
    // Other streams of the connection are not held back.
    let received = 0
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    await once(stream, 'end')
    expect(received).toBe(total)
  })

  test('a server that does not read holds the client back, and gets all of it later', async () => {
    const total = 30_000_000
    let resume: () => void = () => undefined
    let received = 0
    const count = (chunk: Buffer): void => {
      received += chunk.length
    }
    const server =
      version === '1.1'
        ? await upstream((request, response) => {
            resume = () => request.on('data', count).on('end', () => response.end('done'))
          })
        : await upstream2((stream) => {
            resume = () =>
              stream.on('data', count).on('end', () => {
                stream.respond({ ':status': 200 })
                stream.end('done')
              })
          })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    const stream = connection.open({ ':path': '/app/', ':method': 'POST' })
    let taken = 0
    const piece = binary(100_000)
    const answer = answerOf(stream)
    const write = (): void => {
      if (taken >= total) {
        stream.end()
        return
      }
      stream.write(piece, () => {
        taken += piece.length
        write()
      })
    }
    write()
    await server.arrived(1)
    expect(await standstill(() => taken)).toBeLessThan(total / 2)
    resume()
    expect(String((await answer).body)).toBe('done')
    expect(received).toBe(total)
  })

  test('request and response go on at the same time', async () => {
    const server =
      version === '1.1'
        ? await upstream((request, response) => {
            response.writeHead(200).flushHeaders()
            request.pipe(response)
          })
        : await upstream2((stream) => {
            stream.respond({ ':status': 200 })
            stream.pipe(stream)
          })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const stream = (await client(cutover)).open({ ':path': '/app/', ':method': 'POST' })
    const [headers] = await once(stream, 'response')
    expect(headers[':status']).toBe(200)
    for (let i = 0; i < 20; i++) {
      stream.write(`message ${i}`)
      expect(String((await once(stream, 'data'))[0])).toBe(`message ${i}`)
    }
    stream.end('last')
    expect(String((await once(stream, 'data'))[0])).toBe('last')
    await once(stream, 'end')
  })
})

test('trailers that come before there is a connection to the server reach it', async () => {
  const server = await upstream((request, response) => {
    request.resume().on('end', () => response.end(JSON.stringify(request.trailers)))
  })
  const cutover = await startHttp2({ app: { servers: [server] } })
  const head = { ':path': '/app/', ':method': 'POST', trailer: 'x-sum' }
  const { body } = await (await client(cutover)).ask(head, 'abc', { 'x-sum': '3' })
  expect(JSON.parse(String(body))).toEqual({ 'x-sum': '3' })
})
