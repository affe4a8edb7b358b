import { ApiProblem } from '../problems.ts'
import { EventStream, type EventStreamOptions } from './event-stream.ts'

/** Max readers if the number of connections has no limit. */
const MAX_READERS = 1_000
const RETRY_SECONDS = 10

/** The readers of the events of this instance. They take at most half of the connections of the admin API. */
export class EventReaders {
  /** Readers that were cut since they did not read. */
  cut = 0
  private readonly max: number
  private readonly open = new Set<EventStream>()

  /** `connections`: max connections of the admin API; 0 = no limit. */
  constructor(connections: number) {
    this.max = connections === 0 ? MAX_READERS : Math.max(1, connections >> 1)
  }

  get count(): number {
    return this.open.size
  }

  /** Throws 503 if there are too many. */
  add(options: Omit<EventStreamOptions, 'onCut'>): EventStream {
    if (this.open.size >= this.max) {
      const detail =
        `${this.open.size} readers are connected, as many as half of admin.connections; ` +
        `end one of them, raise that, or try another instance in ${RETRY_SECONDS} s.`
      throw new ApiProblem(503, 'Too many readers of events', detail)
    }
    const stream = new EventStream({ ...options, onCut: () => this.cut++ })
    this.open.add(stream)
    stream.once('close', () => this.open.delete(stream))
    return stream
  }

  /** Ends all streams in good order. */
  end(): void {
    for (const stream of this.open) stream.end()
  }
}
