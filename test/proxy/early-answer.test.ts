import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { RawConnection } from '../support/raw-client.ts'
import { endAll, startCutover, upstream } from './support.ts'

const PIECE = Buffer.alloc(100_000)
const PIECES = 6

let cutover: Cutover
beforeAll(async () => {
  const resetting = await upstream((request) => request.socket.resetAndDestroy())
  // It answers as soon as the head is there, and closes with the body unread, so that the system resets the connection.
  const server = await upstream((_request, response) => {
    response.writeHead(413, { 'content-length': 3, connection: 'close' }).end('no!')
  })
  const passive = { maxFails: 0 }
  cutover = await startCutover({
    app: { servers: [server], passive },
    resets: { servers: [resetting], passive, timeouts: { response: '60s' } },
  })
})
afterAll(endAll)

async function upload(host: string): Promise<string> {
  const client = await RawConnection.connect(cutover.proxy)
  client.send(`POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${PIECES * PIECE.length}\r\n\r\n`)
  let isAnswered = false
  const answer = client.response().finally(() => {
    isAnswered = true
  })
  for (let sent = 0; sent < PIECES && !isAnswered; sent++) {
    if (client.socket.writable) client.socket.write(PIECE)
    await turn()
  }
  const { status, text } = await answer
  client.destroy()
  return `${status} ${text}`
}

/** What eight clients get that each upload forty times. */
async function uploads(host: string): Promise<unknown[]> {
  const answers = new Map<string, number>()
  const clients = Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 40; i++) {
      const answer = await upload(host)
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
  })
  await Promise.all(clients)
  return [...answers]
}

test('Q7 a server that answers early and resets the connection: the answer reaches each client that still sends', async () => {
  expect(await uploads('app.test')).toEqual([['413 no!', 320]])
})

test('a server that resets the connection while a client still sends: 502 at once, and no wait for an answer', async () => {
  const start = performance.now()
  expect(await uploads('resets.test')).toEqual([['502 502 The server did not answer properly.\n', 320]])
  expect(performance.now() - start).toBeLessThan(55_000)
})
