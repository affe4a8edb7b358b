import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { isShared, keep, letGo } from '../../src/http1/input-buffer.ts'
import { type InputTaker, type NextBuffer, SocketInput } from '../../src/http1/socket-input.ts'
import { endAll, endWithAll, pair } from './sockets.ts'

afterEach(endAll)

/** Records its input without copying it, unless it `keeps` it. */
class Keeper implements InputTaker {
  readonly kept: Buffer[] = []
  readonly wereShared: boolean[] = []
  next: NextBuffer
  /** Whether bytes stay in use. */
  keeps = false
  private arrived = Promise.withResolvers<void>()

  constructor(next: NextBuffer) {
    this.next = next
  }

  onInput(bytes: Buffer): NextBuffer {
    this.kept.push(this.keeps ? keep(bytes) : bytes)
    this.wereShared.push(isShared(bytes))
    this.arrived.resolve()
    return this.next
  }

  async arrival(): Promise<void> {
    await this.arrived.promise
    this.arrived = Promise.withResolvers()
  }

  get text(): string[] {
    return this.kept.map((bytes) => bytes.toString())
  }
}

/** A reader of a connection, the peer that sends to it, and the socket that is read. */
async function reader(next: NextBuffer, keeps = false) {
  const input = new SocketInput()
  const keeper = new Keeper(next)
  keeper.keeps = keeps
  input.taker = keeper
  const { near: peer, far } = await pair()
  const socket = input.accept(far)
  endWithAll(() => socket.destroy())
  return { input, keeper, peer, socket }
}

async function send(peer: Socket, text: string, keeper: Keeper): Promise<void> {
  peer.write(text)
  await keeper.arrival()
}

/** Number of bytes that are kept without a copy. */
const MUCH = 9_000

test.each([
  ['goes to the same buffer', false, ['2', '2']],
  ['goes to another buffer if bytes of the last one are in use', true, ['1', '2']],
])('the next input %s', async (_what, keeps, left) => {
  const { keeper, peer } = await reader('own', keeps)
  await send(peer, 'into the shared buffer', keeper)
  await send(peer, '1'.repeat(MUCH), keeper)
  await send(peer, '2'.repeat(MUCH), keeper)
  expect(keeper.text.slice(1)).toEqual(left.map((each) => each.repeat(MUCH)))
})

test('few bytes that stay in use are copied', async () => {
  const { keeper, peer } = await reader('own', true)
  for (const text of ['shared', 'one', 'two']) await send(peer, text, keeper)
  expect(keeper.text).toEqual(['shared', 'one', 'two'])
  const [, one, two] = keeper.kept
  expect([one?.buffer.byteLength, two?.buffer.byteLength]).not.toContain(32 * 1024)
})

test('shared bytes that stay in use are copied', async () => {
  const { keeper, peer } = await reader('shared', true)
  await send(peer, 'one', keeper)
  await send(peer, 'two', keeper)
  expect([keeper.text, keeper.wereShared]).toEqual([
    ['one', 'two'],
    [true, true],
  ])
})

test('sockets share a buffer until one asks for a buffer of its own', async () => {
  const { keeper: first, peer } = await reader('shared')
  const { keeper: second, peer: other } = await reader('shared')
  await send(peer, 'one', first)
  await send(other, 'two', second)
  expect([first.text, second.text]).toEqual([['two'], ['two']])
  first.next = 'own'
  await send(peer, '111', first)
  await send(peer, 'own', first)
  await send(other, '222', second)
  expect(first.wereShared).toEqual([true, true, false])
  expect(first.text).toEqual(['222', '222', 'own'])
  first.next = 'shared'
  await send(peer, 'end', first)
  await send(peer, '333', first)
  expect(first.wereShared).toEqual([true, true, false, false, true])
})

test('a buffer is used again once it is replaced and all of its bytes are let go', async () => {
  const { keeper, peer } = await reader('own')
  const { keeper: next, peer: second } = await reader('own')
  await send(peer, 'into the shared buffer', keeper)
  await send(second, 'into the shared buffer', next)
  keeper.keeps = true
  next.keeps = true
  await send(peer, '1'.repeat(MUCH), keeper)
  const first = keeper.kept[1] as Buffer
  // Two users, as for a body that is sent to two servers.
  keep(first)
  await send(peer, '2'.repeat(MUCH), keeper)
  letGo(first)
  await send(second, '3'.repeat(MUCH), next)
  await send(second, '4'.repeat(MUCH), next)
  expect(String(first)).toBe('1'.repeat(MUCH))
  letGo(first)
  await send(second, '5'.repeat(MUCH), next)
  await send(second, '6'.repeat(MUCH), next)
  expect(String(first)).toBe('6'.repeat(MUCH))
})

test('a released socket emits its input as data, with pauses, after what the taker had', async () => {
  const { input, keeper, peer, socket } = await reader('shared')
  await send(peer, 'head', keeper)
  input.release(socket)
  const sent = Buffer.alloc(3_000_000, 'abcdefg')
  peer.end(sent)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  expect(Buffer.concat(chunks).equals(sent)).toBe(true)
  expect(keeper.text).toHaveLength(1)
})

test('an accepted socket reports the end, the addresses and the close of its connection', async () => {
  const { keeper, peer, socket } = await reader('shared')
  expect([socket.remoteAddress, socket.remotePort]).toEqual(['127.0.0.1', peer.localPort])
  peer.end('last')
  await once(socket, 'end')
  expect([keeper.text, socket.writable]).toEqual([['last'], true])
  const closed = once(socket, 'close')
  socket.end('bye')
  const [answer] = await once(peer, 'data')
  expect(String(answer)).toBe('bye')
  await closed
})

test('a socket that is paused delivers nothing until it is resumed', async () => {
  const { keeper, peer, socket } = await reader('own')
  await send(peer, 'one', keeper)
  socket.pause()
  const written = Promise.withResolvers<void>()
  peer.write('two', () => written.resolve())
  await written.promise
  // The bytes are in the socket now. Another connection takes turns of the event loop in which they could be read.
  const { keeper: turns, peer: pacer } = await reader('own')
  for (let i = 0; i < 5; i++) await send(pacer, 'turn', turns)
  expect(keeper.kept).toHaveLength(1)
  socket.resume()
  await keeper.arrival()
  expect(keeper.text.at(-1)).toBe('two')
})

test('a followed socket is read by its data events, and released with them', async () => {
  const { near: peer, far: socket } = await pair()
  const input = new SocketInput()
  const keeper = new Keeper('shared')
  input.taker = keeper
  input.follow(socket)
  socket.resume()
  await send(peer, 'one', keeper)
  await send(peer, 'two', keeper)
  expect([keeper.text, keeper.wereShared]).toEqual([
    ['one', 'two'],
    [false, false],
  ])
  input.release(socket)
  peer.write('three')
  const [chunk] = await once(socket, 'data')
  expect([String(chunk), keeper.kept.length]).toEqual(['three', 2])
})
