import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Load } from './load.ts'
import { freePort, startRawUpstream, startUpstream } from './upstream.ts'

const answer = (length: number, body: string, fields = '') =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n${fields}\r\n${body}`

/** Answers every request so, whatever it is, and sees what a client with one request makes of it. */
async function failuresOf(respond: (socket: Socket) => void): Promise<Readonly<Record<string, number>>> {
  const server = await startRawUpstream((socket) => socket.once('data', () => respond(socket)))
  const load = new Load({ url: server.url, clients: 1, names: ['a'], requests: 1 })
  const { sent, completed, failed, failures } = await load.done
  expect([sent, completed + failed]).toEqual([1, 1])
  await server.close()
  return failures
}

test('counts everything that is no right answer, by what it is', async () => {
  const cases: readonly (readonly [cause: string | null, respond: (socket: Socket) => void])[] = [
    [null, (socket) => socket.write(answer(1, 'a'))],
    ['wrong body', (socket) => socket.write(answer(1, 'b'))],
    ['truncated', (socket) => socket.end(answer(2, 'a'))],
    ['truncated', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Le')],
    ['more than its Content-Length', (socket) => socket.write(answer(1, 'aa'))],
    ['malformed', (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\na')],
    ['malformed', (socket) => socket.write('nonsense\r\n\r\n')],
    ['status 503', (socket) => socket.write('HTTP/1.1 503 No\r\nContent-Length: 1\r\n\r\na')],
    ['closed without an answer', (socket) => socket.end()],
    ['reset (ECONNRESET)', (socket) => socket.resetAndDestroy()],
  ]
  for (const [cause, respond] of cases) {
    expect(await failuresOf(respond), `${respond}`).toEqual(cause === null ? {} : { [cause]: 1 })
  }
})

test('counts a connection that cannot be had as a request that failed', async () => {
  const port = await freePort()
  const load = new Load({ url: `http://127.0.0.1:${port}`, clients: 1, names: ['a'], requests: 1 })
  const { sent, failures } = await load.done
  expect([sent, failures]).toEqual([1, { 'not connected (ECONNREFUSED)': 1 }])
})

test('connects again when an answer says so, and only then; answers may come in pieces', async () => {
  let closing = 0
  const server = await startUpstream((request, response) => {
    request.resume()
    const last = ++closing % 10 === 0
    response.writeHead(200, { 'content-length': 1, ...(last ? { connection: 'close' } : {}) })
    response.flushHeaders()
    setImmediate(() => response.end('a'))
  })
  const load = new Load({ url: server.url, clients: 1, names: ['a'], requests: 100 })
  expect(await load.done).toMatchObject({ sent: 100, completed: 100, failed: 0, answers: { a: 100 } })
  expect(server.accepted).toBeGreaterThanOrEqual(10)
  expect(server.accepted).toBeLessThanOrEqual(11)
  await server.close()
})

test('sends POST with a body on every other client, and ends in the middle of nothing', async () => {
  const server = await startUpstream(undefined, { name: 'a' })
  const load = new Load({ url: server.url, clients: 4, names: ['a'] })
  await load.more(100)
  const { sent, completed, failed } = await load.stop()
  expect([sent, failed, server.requests.length]).toEqual([completed, 0, sent])
  const posts = server.requests.filter(({ method }) => method === 'POST')
  expect(posts.length).toBeGreaterThan(10)
  expect(new Set(posts.map(({ body }) => body))).toEqual(new Set(['order of client 1', 'order of client 3']))
  await server.close()
})
