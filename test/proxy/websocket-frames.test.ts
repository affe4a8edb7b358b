import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { CLOSE_TO_CLIENT, CLOSE_TO_SERVER, FrameCursor } from '../../src/proxy/websocket-frames.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { type Listening, startRawUpstream } from '../support/upstream.ts'
import { endAll, endWithAll } from './support.ts'

afterAll(endAll)

interface Frame {
  readonly opcode: number
  readonly fin: boolean
  readonly masked: boolean
  readonly length: number
  /** How the length is written; longer than needed where that fits. */
  readonly form: 7 | 16 | 64
}

/** A frame as RFC 6455 §5.2 draws it. */
function bytesOf({ opcode, fin, masked, length, form }: Frame): Buffer {
  const first = (fin ? 0x80 : 0) | opcode
  const mask = masked ? 0x80 : 0
  let head: Buffer
  if (form === 7 && length < 126) head = Buffer.from([first, mask | length])
  else if (form !== 64 && length < 65_536) {
    head = Buffer.from([first, mask | 126, 0, 0])
    head.writeUInt16BE(length, 2)
  } else {
    head = Buffer.alloc(10)
    head[0] = first
    head[1] = mask | 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  // Payloads full of what could be taken for heads.
  return Buffer.concat([
    head,
    masked ? Buffer.from([0x81, 0x7e, 0x88, 0x02]) : Buffer.alloc(0),
    Buffer.alloc(length, 0x81),
  ])
}

const frame: fc.Arbitrary<Frame> = fc.record({
  opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
  fin: fc.boolean(),
  masked: fc.boolean(),
  length: fc.oneof(fc.nat(130), fc.constantFrom(0, 125, 126, 127, 65_535, 65_536), fc.nat(70_000)),
  form: fc.constantFrom(7 as const, 16 as const, 64 as const),
})

/** Frames, and where the stream of them is cut into chunks. */
const chunked = fc
  .array(frame, { minLength: 1, maxLength: 6 })
  .chain((frames) => {
    const bytes = Buffer.concat(frames.map(bytesOf))
    return fc.tuple(fc.constant(frames), fc.constant(bytes), fc.uniqueArray(fc.nat(bytes.length), { maxLength: 30 }))
  })
  .map(([frames, bytes, cuts]) => {
    const ends = new Set<number>([0])
    let end = 0
    for (const each of frames) {
      end += bytesOf(each).length
      ends.add(end)
    }
    return { bytes, ends, cuts: [...cuts, bytes.length].sort((a, b) => a - b) }
  })

describe('FrameCursor', () => {
  test('is at a boundary exactly where a frame has ended, however the frames are chunked', () => {
    fc.assert(
      fc.property(chunked, ({ bytes, ends, cuts }) => {
        const cursor = new FrameCursor()
        expect(cursor.atBoundary).toBe(true)
        let at = 0
        for (const cut of cuts) {
          expect(cursor.advance(bytes.subarray(at, cut))).toBe(cut - at)
          at = cut
          expect(cursor.atBoundary).toBe(ends.has(at))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('byte by byte as well', () => {
    const frames: Frame[] = [0, 1, 125, 126, 300].flatMap((length) =>
      [7, 16, 64].flatMap((form) =>
        [true, false].map((masked) => ({ opcode: 2, fin: true, masked, length, form: form as Frame['form'] })),
      ),
    )
    const cursor = new FrameCursor()
    for (const each of frames) {
      const bytes = bytesOf(each)
      for (const [i, byte] of bytes.entries()) {
        cursor.advance(Buffer.from([byte]))
        expect(cursor.atBoundary).toBe(i === bytes.length - 1)
      }
    }
  })

  test('can stop at the end of the frame under way, and says how far that is', () => {
    fc.assert(
      fc.property(chunked, ({ bytes, ends, cuts: [cut = 0] }) => {
        const cursor = new FrameCursor()
        cursor.advance(bytes.subarray(0, cut))
        const boundary = [...ends].filter((end) => end >= cut).sort((a, b) => a - b)[0]
        expect(cut + cursor.advance(bytes.subarray(cut), true)).toBe(boundary)
        expect(cursor.atBoundary).toBe(true)
        expect(cursor.advance(bytes.subarray(cut), true)).toBe(0)
      }),
    )
  })

  test('a frame of more than 4 GiB is followed', () => {
    const head = Buffer.alloc(10)
    head[0] = 0x82
    head[1] = 127
    const length = 5 * 2 ** 30
    head.writeBigUInt64BE(BigInt(length), 2)
    const cursor = new FrameCursor()
    cursor.advance(head)
    const part = Buffer.alloc(2 ** 26)
    for (let left = length; left > 0; left -= part.length) {
      expect(cursor.atBoundary).toBe(false)
      cursor.advance(part)
    }
    expect(cursor.atBoundary).toBe(true)
  })
})

describe('against the ws library', () => {
  test('its frames are followed', async () => {
    const cursor = new FrameCursor()
    const boundaries: boolean[] = []
    const server = await acceptUpgrade((socket) => {
      socket.on('data', (chunk: Buffer) => {
        for (const byte of chunk) {
          cursor.advance(Buffer.from([byte]))
          boundaries.push(cursor.atBoundary)
        }
      })
    })
    const client = new WebSocket(`ws://127.0.0.1:${server.port}`)
    await once(client, 'open')
    const lengths = [0, 1, 125, 126, 65_535, 65_536]
    for (const length of lengths) {
      await new Promise((resolve) => client.send(Buffer.alloc(length, 0x81), resolve))
      client.ping()
    }
    client.close()
    // Message and ping of each length, and the close frame.
    await until(() => boundaries.filter((each) => each).length === 2 * lengths.length + 1, 2_000)
    expect(boundaries.at(-1)).toBe(true)
    client.terminate()
  })

  test('it reads our close frame to a client as 1001', async () => {
    const server = await acceptUpgrade((socket) => socket.write(CLOSE_TO_CLIENT))
    const client = new WebSocket(`ws://127.0.0.1:${server.port}`)
    expect((await once(client, 'close'))[0]).toBe(1001)
  })

  test('it reads our close frame to a server as 1001', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    const client = await RawConnection.connect((server.address() as AddressInfo).port)
    const connected = once(server, 'connection')
    const key = 'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=='
    client.send(`GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n${key}\r\n\r\n`)
    const [accepted] = (await connected) as [WebSocket]
    client.send(CLOSE_TO_SERVER)
    const closed = once(accepted, 'close')
    await client.closed()
    client.destroy()
    expect((await closed)[0]).toBe(1001)
    server.close()
  })
})

/** A server that agrees to every WebSocket and leaves the rest to the test. */
async function acceptUpgrade(onSocket: (socket: Socket) => void): Promise<Listening> {
  const server = await startRawUpstream((socket) => {
    socket.once('data', (request) => {
      const [, key = ''] = /^sec-websocket-key: (.*)\r$/im.exec(String(request)) ?? []
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      )
      onSocket(socket)
    })
  })
  endWithAll(() => server.close())
  return server
}

test.each([
  ['to the client', CLOSE_TO_CLIENT],
  ['to the server', CLOSE_TO_SERVER],
])('the close frame %s is one frame', (_to, bytes) => {
  const cursor = new FrameCursor()
  cursor.advance(bytes.subarray(0, -1))
  expect(cursor.atBoundary).toBe(false)
  cursor.advance(bytes.subarray(-1))
  expect(cursor.atBoundary).toBe(true)
})
