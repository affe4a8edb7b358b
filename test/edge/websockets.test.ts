import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { AUTHORITY, Edge } from './support.ts'

let edge: Edge
beforeAll(async () => {
  edge = await Edge.start()
  const server = new WebSocketServer({ server: edge.server.server, path: '/ws' })
  server.on('connection', (socket, request) => {
    socket.send(String(request.headers['x-forwarded-proto']))
    socket.on('message', (data: RawData, isBinary) => socket.send(data, { binary: isBinary }))
  })
})
afterAll(() => edge.stop())

async function open(): Promise<WebSocket> {
  // Node passes options for TLS on; the declarations of ws do not have all of them.
  const options = { ca: AUTHORITY.cert, servername: 'localhost' }
  const socket = new WebSocket(`wss://127.0.0.1:${edge.port}/ws`, [], options)
  const [first] = (await once(socket, 'message')) as [RawData]
  expect(String(first)).toBe('https')
  return socket
}

test('a WebSocket over TLS carries messages of any size both ways', async () => {
  const socket = await open()
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 3_000_000]) {
    const message = Buffer.alloc(length, length % 251)
    socket.send(message)
    const [answer] = (await once(socket, 'message')) as [Buffer]
    expect(answer.equals(message), `${length}`).toBe(true)
  }
  socket.close(1000)
  expect((await once(socket, 'close'))[0]).toBe(1000)
})

test('a certificate that is exchanged does not touch it', async () => {
  const socket = await open()
  await edge.folder.put('localhost', AUTHORITY.issue())
  expect((await edge.reload()).status).toBe(200)
  socket.send('still here')
  const [answer] = (await once(socket, 'message')) as [RawData]
  expect(String(answer)).toBe('still here')
  socket.terminate()
})

test('at a shutdown it gets close 1001', async () => {
  const socket = await open()
  edge.cutover.process.kill('SIGTERM')
  expect((await once(socket, 'close'))[0]).toBe(1001)
  expect(await edge.cutover.exited).toEqual({ code: 0, signal: null })
})
