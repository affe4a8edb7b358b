import type { Connection } from '../../support/connection.ts'
import { Failed } from '../../support/failed.ts'
import { piece } from '../../support/pattern.ts'
import type { Lane } from '../lane.ts'
import { between, expectBody } from './bodies.ts'

interface Request {
  readonly id: string
  readonly bytes: Buffer
  readonly expected: Buffer
}

/** Several requests in one breath, some of them slow to be answered; the answers come in the order of the requests. */
export async function pipelined(lane: Lane): Promise<void> {
  const requests = Array.from({ length: between(2, 9) }, () => requestOf(lane))
  const startedAt = performance.now()
  let broken: { readonly id: string; readonly error: Failed } | null = null
  let connection: Connection | null = null
  for (const { id, expected } of requests) {
    if (broken !== null) {
      // The connection broke at the answer before: this one could not come.
      lane.failed(id, new Failed(broken.error.why, `behind ${broken.id}`), startedAt, broken.id)
      continue
    }
    const error = await lane.attempt(id, async () => {
      if (connection === null) {
        connection = await lane.connect()
        connection.send(Buffer.concat(requests.map(({ bytes }) => bytes)))
      }
      await expectBody(connection, await lane.answer(connection, id), expected)
    })
    if (error !== null && !error.wasAnswered) broken = { id, error }
  }
}

function requestOf(lane: Lane): Request {
  const id = lane.nextId()
  const seed = between(0, 100_000)
  const expected = piece(seed, 0, between(1, 3_000))
  if (Math.random() < 0.3) {
    const head = lane.head('POST', '/echo', id, [`Content-Length: ${expected.length}`])
    return { id, bytes: Buffer.concat([Buffer.from(head), expected]), expected }
  }
  const late = Math.random() < 0.3 ? between(1, 50) : 0
  const target = `/bytes?seed=${seed}&length=${expected.length}&late=${late}`
  return { id, bytes: Buffer.from(lane.head('GET', target, id)), expected }
}
