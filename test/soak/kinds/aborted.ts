import { setTimeout as delay } from 'node:timers/promises'
import type { Connection } from '../../support/connection.ts'
import { Failed } from '../../support/failed.ts'
import { matches, piece } from '../../support/pattern.ts'
import type { Lane } from '../lane.ts'
import { between, pick } from './bodies.ts'

/** Longer than the client stays. */
const LATE_MS = 2_000
const BODY_BYTES = 3_000_000

type Way = (lane: Lane, connection: Connection, id: string) => Promise<void>

const halfAHead: Way = async (lane, connection, id) => {
  const head = lane.head('GET', '/bytes?seed=1&length=1', id)
  connection.send(head.slice(0, between(1, head.length - 2)))
  await delay(between(0, 10))
}

const beforeTheAnswer: Way = async (lane, connection, id) => {
  connection.send(lane.head('GET', `/bytes?seed=1&length=1&late=${LATE_MS}`, id))
  // An answer that comes before its time is an error, and is one here too.
  const early = lane.answer(connection, id)
  early.catch(() => undefined)
  const stayed = Symbol('stayed')
  if ((await Promise.race([early, delay(between(0, 50), stayed)])) !== stayed) throw new Failed('wrong answer', 'early')
}

/** As soon as anything comes: the head is read by nobody. */
const withTheHead: Way = async (lane, connection, id) => {
  connection.send(lane.head('GET', `/bytes?seed=1&length=${BODY_BYTES}`, id))
  await connection.stirred()
}

const inTheBody: Way = async (lane, connection, id) => {
  const seed = between(0, 100_000)
  const framing = pick(['length', 'chunked', 'close'])
  connection.send(lane.head('GET', `/bytes?seed=${seed}&length=${BODY_BYTES}&framing=${framing}`, id))
  const head = await lane.answer(connection, id)
  let left = between(1, BODY_BYTES)
  const enough = Symbol('enough')
  let at = 0
  try {
    await connection.body(head, (chunk) => {
      if (!matches(chunk, seed, at)) throw new Failed('wrong bytes')
      at += chunk.length
      left -= chunk.length
      if (left <= 0) throw enough
    })
  } catch (error) {
    if (error !== enough) throw error
  }
}

const inItsOwnBody: Way = async (lane, connection, id) => {
  const isChunked = Math.random() < 0.5
  const half = piece(1, 0, between(1, 50_000))
  const framing = isChunked ? 'Transfer-Encoding: chunked' : 'Content-Length: 100000'
  connection.send(lane.head('POST', '/hash', id, [framing]))
  connection.send(isChunked ? Buffer.concat([Buffer.from(`${half.length.toString(16)}\r\n`), half]) : half)
  await delay(between(0, 20))
}

const inAnEventStream: Way = async (lane, connection, id) => {
  connection.send(lane.head('GET', '/events?count=1000&every=20', id))
  await lane.answer(connection, id)
  await delay(between(0, 200))
}

const WAYS = [halfAHead, beforeTheAnswer, withTheHead, inTheBody, inItsOwnBody, inAnEventStream]

/** A client that leaves before it has been answered whole. It has succeeded when nothing went wrong until then. */
export async function aborted(lane: Lane): Promise<void> {
  const id = lane.nextId()
  const way = WAYS[lane.count % WAYS.length] as Way
  await lane.attempt(id, async () => way(lane, await lane.connect(), id))
  lane.drop(pick(['close', 'reset']))
}
