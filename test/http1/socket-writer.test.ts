import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { SocketWriter } from '../../src/http1/socket-writer.ts'
import { endAll, endWithAll, pair } from './sockets.ts'

afterEach(endAll)

/** All that arrives until the end of the connection. */
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A repeatable series of numbers from 0 to 1. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

test.each([1, 2, 3, 4, 5])(
  'what is written arrives in order, whatever its sizes and however it is read (%i)',
  async (seed) => {
    const { near, far } = await pair()
    let ready = Promise.withResolvers<void>()
    const writer = new SocketWriter(near, () => ready.resolve())
    const roll = dice(seed)
    const sent: Buffer[] = []
    const received = all(far)
    far.pause()
    const waits = setInterval(() => (far.isPaused() ? far.resume() : far.pause()), 3)
    endWithAll(() => clearInterval(waits))
    for (let i = 0; i < 3_000; i++) {
      const length = Math.floor(roll() < 0.8 ? roll() * 50 : roll() * 60_000)
      const piece = roll() < 0.2 ? null : Buffer.alloc(length, String.fromCharCode(97 + (i % 26)))
      const [before, after] = [roll() < 0.3 ? `<${i}:caf\xe9>` : '', roll() < 0.1 ? `</${i}>` : '']
      sent.push(Buffer.from(before, 'latin1'), piece ?? Buffer.alloc(0), Buffer.from(after, 'latin1'))
      ready = Promise.withResolvers<void>()
      if (!writer.write(before, piece, after)) {
        expect(writer.isFull).toBe(true)
        await ready.promise
      }
    }
    writer.end()
    clearInterval(waits)
    far.resume()
    expect((await received).equals(Buffer.concat(sent))).toBe(true)
  },
)

test('small pieces for a peer that does not read cost few buffers, and end with a wait', async () => {
  const { near, far } = await pair()
  let readies = 0
  const writer = new SocketWriter(near, () => readies++)
  while (near.writableLength === 0) writer.write('', Buffer.alloc(65_536))
  const before = near.writableLength
  for (let i = 0; i < 60_000; i++) expect(writer.write('', Buffer.from('x'))).toBe(false)
  // The first one went to the queue of the socket, which would keep an object for each of them.
  expect([near.writableLength - before, writer.isFull, readies]).toEqual([1, true, 0])
  const received = all(far)
  writer.end()
  const bytes = await received
  expect(bytes.subarray(-60_000).every((byte) => byte === 120)).toBe(true)
})

test('text and a piece leave in one packet', async () => {
  const { near, far } = await pair()
  const writer = new SocketWriter(near, () => undefined)
  writer.write('HTTP/1.1 200 OK\r\n\r\n', Buffer.from('body'), 'tail')
  far.resume()
  const [first] = (await once(far, 'data')) as [Buffer]
  expect(first.toString()).toBe('HTTP/1.1 200 OK\r\n\r\nbodytail')
})
