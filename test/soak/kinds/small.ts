import { piece } from '../../support/pattern.ts'
import type { Lane } from '../lane.ts'
import { between, expectBody, expectPattern, pick } from './bodies.ts'

/** A small GET on a connection that is kept. */
export async function get(lane: Lane): Promise<void> {
  const id = lane.nextId()
  const [seed, length] = [between(0, 100_000), between(1, 2_000)]
  await lane.attempt(id, async () => {
    const connection = await lane.connect()
    connection.send(lane.head('GET', `/bytes?seed=${seed}&length=${length}`, id))
    await expectPattern(connection, await lane.answer(connection, id), seed, length)
  })
}

/** A POST with a small body, which comes back. */
export async function post(lane: Lane): Promise<void> {
  const id = lane.nextId()
  const body = piece(between(0, 100_000), 0, between(1, 4_000))
  await lane.attempt(id, async () => {
    const connection = await lane.connect()
    const head = lane.head('POST', '/echo', id, [`Content-Length: ${body.length}`])
    connection.send(Buffer.concat([Buffer.from(head), body]))
    await expectBody(connection, await lane.answer(connection, id), body)
  })
}

/** A GET on a connection of its own, which closes behind the answer; half of them of clients of long ago. */
export async function noKeepAlive(lane: Lane): Promise<void> {
  const id = lane.nextId()
  const [seed, length] = [between(0, 100_000), between(1, 20_000)]
  const framing = pick(['length', 'chunked'])
  const isOld = Math.random() < 0.5
  await lane.attempt(id, async () => {
    const connection = await lane.connect()
    const target = `/bytes?seed=${seed}&length=${length}&framing=${framing}`
    connection.send(lane.head('GET', target, id, isOld ? [] : ['Connection: close'], isOld ? '1.0' : '1.1'))
    await expectPattern(connection, await lane.answer(connection, id), seed, length)
    await connection.closed()
  })
  lane.drop()
}
