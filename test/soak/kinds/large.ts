import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { pieces } from '../../support/pattern.ts'
import type { Lane } from '../lane.ts'
import { between, expectBody, expectPattern, pick } from './bodies.ts'

const MB = 1_000_000
/** More than the systems on the way hold for a client that does not read. */
const SLOW_BYTES = 12 * MB
const SLOW_STEP_MS = 20

/** A download of some MB, framed in every way there is. */
export async function download(lane: Lane): Promise<void> {
  const id = lane.nextId()
  const [seed, length] = [between(0, 100_000), between(MB, 6 * MB)]
  const framing = pick(['length', 'chunked', 'close'])
  await lane.attempt(id, async () => {
    const connection = await lane.connect()
    connection.send(lane.head('GET', `/bytes?seed=${seed}&length=${length}&framing=${framing}`, id))
    await expectPattern(connection, await lane.answer(connection, id), seed, length)
  })
}

/** A download whose client takes as long over it as a stream lasts. */
export async function slowReader(lane: Lane): Promise<void> {
  const id = lane.nextId()
  const seed = between(0, 100_000)
  const framing = pick(['length', 'chunked'])
  const bytesPerStep = (SLOW_BYTES * SLOW_STEP_MS) / lane.traffic.streamMs
  await lane.attempt(id, async () => {
    const connection = await lane.connect()
    connection.send(lane.head('GET', `/bytes?seed=${seed}&length=${SLOW_BYTES}&framing=${framing}`, id))
    let taken = 0
    await expectPattern(connection, await lane.answer(connection, id), seed, SLOW_BYTES, async (bytes) => {
      taken += bytes
      if (taken < bytesPerStep) return
      taken -= bytesPerStep
      await delay(SLOW_STEP_MS)
    })
  })
}

/** An upload of some MB; the server says how much came, and its hash. */
export async function upload(lane: Lane): Promise<void> {
  const id = lane.nextId()
  const [seed, length] = [between(0, 100_000), between(MB, 4 * MB)]
  const isChunked = Math.random() < 0.5
  await lane.attempt(id, async () => {
    const connection = await lane.connect()
    const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
    connection.send(lane.head(pick(['PUT', 'POST']), '/hash', id, [framing]))
    const sum = createHash('sha256')
    const wentWhole = await connection.sendAll(bodyOf(seed, length, isChunked, (chunk) => sum.update(chunk)))
    try {
      const head = await lane.answer(connection, id)
      const expected = wentWhole ? `${length} ${sum.digest('hex')}` : 'nothing yet: not all of the body was sent'
      await expectBody(connection, head, Buffer.from(expected))
    } finally {
      // What was not sent of this body would be taken for the next request.
      if (!wentWhole) lane.drop()
    }
  })
}

function* bodyOf(seed: number, length: number, isChunked: boolean, seen: (chunk: Buffer) => unknown) {
  for (const chunk of pieces(seed, length)) {
    seen(chunk)
    if (!isChunked) yield chunk
    else yield Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')])
  }
  if (isChunked) yield Buffer.from('0\r\n\r\n')
}
