import { Failed } from '../../support/failed.ts'
import type { Lane } from '../lane.ts'
import { between } from './bodies.ts'

/** A stream that is shorter may come all at once where a busy machine has a process wait for its turn. */
const HELD_BACK_MS = 2_500

/** A stream of events over some seconds: every one, in order, at once. */
export async function sse(lane: Lane): Promise<void> {
  const id = lane.nextId()
  const everyMs = between(10, 100)
  const count = Math.ceil((lane.traffic.streamMs * (0.5 + Math.random())) / everyMs)
  await lane.attempt(id, async () => {
    const connection = await lane.connect()
    connection.send(lane.head('GET', `/events?count=${count}&every=${everyMs}`, id, ['Accept: text/event-stream']))
    const head = await lane.answer(connection, id)
    const events = new Events(id)
    await connection.body(head, (chunk) => events.take(chunk.toString('latin1')))
    events.expectAll(count)
    if (count * everyMs >= HELD_BACK_MS) events.expectFlow()
  })
}

class Events {
  private readonly id: string
  private rest = ''
  private count = 0
  private firstCameAt = 0
  private lastSentAt = 0

  constructor(id: string) {
    this.id = id
  }

  take(text: string): void {
    const events = (this.rest + text).split('\n\n')
    this.rest = events.pop() ?? ''
    for (const event of events) this.event(event)
  }

  expectAll(count: number): void {
    if (this.rest !== '' || this.count < count) throw new Failed('cut short', `${this.count} of ${count} events`)
  }

  /** The first event has to come before the last one is sent. */
  expectFlow(): void {
    if (this.firstCameAt > this.lastSentAt) throw new Failed('held back')
  }

  private event(event: string): void {
    const [field, id, number, sentAt] = event.split(' ')
    if (field !== 'data:') throw new Failed('wrong bytes', event.slice(0, 60))
    if (id !== this.id) throw new Failed('wrong answer', `event for ${id}`)
    if (Number(number) !== this.count) throw new Failed('out of order', `${number} instead of ${this.count}`)
    this.lastSentAt = Number(sentAt)
    if (this.count++ === 0) this.firstCameAt = Date.now()
  }
}
