import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Deadlines } from '../../src/http1/deadlines.ts'
import { FieldNames } from '../../src/http1/field-names.ts'
import { InboundConnection } from '../../src/http1/inbound-connection.ts'
import type { InboundRequest } from '../../src/http1/inbound-request.ts'
import { InputBuffer } from '../../src/http1/input-buffer.ts'
import { SocketInput } from '../../src/http1/socket-input.ts'
import { SocketWriter } from '../../src/http1/socket-writer.ts'
import { endAll, endWithAll, pair } from './sockets.ts'

const CONNECTIONS = 10
/** Bytes that a connection holds before it lets TCP hold its client back. */
const HELD = 64 * 1024

afterEach(endAll)

function inbound(accepted: Socket, onRequest: (request: InboundRequest) => void): Socket {
  const input = new SocketInput()
  const socket = input.accept(accepted)
  endWithAll(() => socket.destroy())
  new InboundConnection(
    socket,
    input,
    {
      names: new FieldNames(),
      limits: { startLineBytes: 8_192, fieldBytes: 8_192 },
      timeouts: { headMs: 0, requestMs: 0, keepAliveMs: 0, idleBodyMs: 0 },
      keepAliveLine: '',
      deadlines: new Deadlines(),
    },
    { onRequest, onRefusal: () => '', onClosed: () => undefined },
  )
  return socket
}

/** Writes so that `reader` gets it in a read of its own. */
async function writeAlone(to: Socket, reader: Socket, bytes: Buffer | string): Promise<void> {
  const wanted = reader.bytesRead + Buffer.byteLength(bytes)
  to.write(bytes)
  while (reader.bytesRead < wanted) await new Promise((resolve) => setImmediate(resolve))
}

test.each([600, 1_100, 4_000])(
  'a body that waits takes little more memory than its bytes, in pieces of %i bytes',
  async (size) => {
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < CONNECTIONS; i++) {
      const { near: client, far: accepted } = await pair()
      const socket = inbound(accepted, () => undefined)
      await writeAlone(client, socket, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n')
      for (let sent = 0; sent < HELD - size; sent += size) await writeAlone(client, socket, Buffer.alloc(size))
    }
    const each = (process.memoryUsage().arrayBuffers - before) / CONNECTIONS
    expect(each).toBeLessThan(4 * HELD)
  },
)

test('pieces for a peer that does not read keep few buffers of input', async () => {
  const { near: peer } = await pair()
  const writer = new SocketWriter(peer, () => undefined)
  while (writer.write('', Buffer.alloc(60_000)));
  const write = (size: number): boolean => {
    const buffer = InputBuffer.take()
    writer.write('', buffer.bytes.subarray(0, size))
    return buffer.isInUse
  }
  expect([2_100, 4_000, 8_000].map(write)).toEqual([false, false, false])
  expect(Array.from({ length: 30 }, () => write(20_000)).filter((isInUse) => isInUse).length).toBeLessThan(10)
  const before = process.memoryUsage().arrayBuffers
  const piece = Buffer.alloc(2_100)
  for (let i = 0; i < 30; i++) writer.write('text', piece)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(3 * 30 * piece.length)
})

test('a piece of a body whose taker throws is not read again', async () => {
  const pieces: string[] = []
  const { near: client, far: accepted } = await pair()
  const socket = inbound(accepted, (request) => {
    request.takeBody({
      onRequestBody: (piece) => {
        pieces.push(String(piece))
        // As if another part of the request had taken the body up again meanwhile.
        queueMicrotask(() => request.resumeBody())
        request.pauseBody()
        throw new Error('the taker fails')
      },
      onRequestEnd: () => pieces.push('end'),
      onRequestBroken: () => pieces.push('broken'),
    })
  })
  client.on('error', () => undefined)
  client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nfirst')
  await once(socket, 'close')
  expect(pieces).toEqual(['first', 'broken'])
})
