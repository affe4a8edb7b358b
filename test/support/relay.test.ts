import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Relay } from './relay.ts'
import { type Listening, startRawUpstream } from './upstream.ts'

let echo: Listening
let relay: Relay

beforeEach(async () => {
  echo = await startRawUpstream((socket) => socket.pipe(socket))
  relay = await Relay.start(echo.port)
})

afterEach(async () => {
  await relay.stop()
  await echo.close()
})

async function connect(): Promise<net.Socket> {
  const socket = net.connect(relay.port, '127.0.0.1').setEncoding('utf8')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

async function answer(socket: net.Socket, sent: string): Promise<string> {
  const data = once(socket, 'data')
  socket.write(sent)
  return (await data)[0]
}

test('passes bytes both ways, and the end', async () => {
  const socket = await connect()
  expect(await answer(socket, 'hello')).toBe('hello')
  expect(relay.connections).toBe(1)
  socket.end()
  await once(socket, 'close')
})

test('a cut destroys connections and refuses new ones until it is healed', async () => {
  const socket = await connect()
  await answer(socket, 'hello')
  const closed = once(socket, 'close')
  await relay.cut()
  await closed
  expect(relay.connections).toBe(0)
  await expect(once(net.connect(relay.port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED')
  await relay.heal()
  expect(await answer(await connect(), 'again')).toBe('again')
})

test('a dropped connection can be made anew at once', async () => {
  const socket = await connect()
  await answer(socket, 'hello')
  const closed = once(socket, 'close')
  relay.dropAll()
  await closed
  expect(await answer(await connect(), 'again')).toBe('again')
})

test('frozen, it holds back data and ends, and passes them after the thaw', async () => {
  const socket = await connect()
  await answer(socket, 'hello')
  relay.freeze()
  const late = await connect()
  const heard: string[] = []
  for (const each of [socket, late]) {
    each.on('data', (data) => heard.push(String(data)))
    each.on('close', () => heard.push('close'))
  }
  const answers = [answer(socket, 'more'), answer(late, 'late')]
  // Nothing is to happen, so there is nothing to wait for but time.
  await sleep(100)
  expect(heard).toEqual([])
  relay.thaw()
  expect(await Promise.all(answers)).toEqual(['more', 'late'])
  relay.freeze()
  const closed = [once(socket, 'close'), once(late, 'close')]
  await echo.close()
  await sleep(100)
  expect(heard.toSorted()).toEqual(['late', 'more'])
  relay.thaw()
  await Promise.all(closed)
})

test('a delay counts for every chunk in each direction, and keeps the order', async () => {
  const socket = await connect()
  await answer(socket, 'hello')
  relay.delayMs = 100
  const start = performance.now()
  socket.write('one ')
  let received = await answer(socket, 'two ')
  expect(performance.now() - start).toBeGreaterThan(195)
  relay.delayMs = 0
  socket.write('three')
  while (!received.endsWith('three')) received += (await once(socket, 'data'))[0]
  expect(received).toBe('one two three')
  expect(performance.now() - start).toBeLessThan(1000)
})
