import type { Failure } from './figures.ts'
import type { Disturbance } from './upstream-messages.ts'

/** What is done to a whole server for a while. */
export type Trouble = 'reset idle' | 'SIGTERM' | 'SIGKILL'

interface Episode {
  readonly trouble: Trouble
  readonly from: number
  /** Infinity while it lasts. */
  to: number
}

/** How long after an episode its last effects may still reach a client. */
const AFTERMATH_MS = 1_000

/** How a failure may look to the client of a request that was disturbed in a certain way. */
const LOOKS: Readonly<Record<Disturbance, readonly string[]>> = {
  reset: ['status 502'],
  stall: ['status 504'],
  'stall in body': ['broken off'],
  // Where the end came together with the head, there was no answer to begin with.
  'break off': ['broken off', 'status 502'],
  nonsense: ['status 502', 'broken off'],
  'nonsense in body': ['broken off', 'status 502'],
  surplus: [],
}

/** The same for what happened to a server, and with it to any request that was there, or on its way. */
const EPISODE_LOOKS: Readonly<Record<Trouble, readonly string[]>> = {
  'reset idle': ['status 502', 'broken off'],
  SIGTERM: ['status 502', 'status 503', 'broken off'],
  SIGKILL: ['status 502', 'status 503', 'broken off'],
}

/** The account of all that was done to servers on purpose: what is not in it explains no failure. */
export class Ledger {
  private readonly disturbances = new Map<string, Disturbance[]>()
  private readonly episodes: Episode[] = []

  disturbed(id: string, how: Disturbance): void {
    const before = this.disturbances.get(id)
    if (before === undefined) this.disturbances.set(id, [how])
    else before.push(how)
  }

  /** Opens an episode at a time of `performance.now()`; returns how to close it. */
  begin(trouble: Trouble, from = performance.now()): (to?: number) => void {
    const episode: Episode = { trouble, from, to: Number.POSITIVE_INFINITY }
    this.episodes.push(episode)
    return (to = performance.now()) => {
      episode.to = to
    }
  }

  get disturbedCount(): number {
    return this.disturbances.size
  }

  /** What was done that explains a failure; null: nothing does. */
  explain({ because, cause, startedAt, endedAt }: Failure): Disturbance | Trouble | null {
    const how = this.disturbances.get(because)?.find((each) => LOOKS[each].includes(cause))
    if (how !== undefined) return how
    const episode = this.episodes.find(
      ({ trouble, from, to }) =>
        EPISODE_LOOKS[trouble].includes(cause) && endedAt >= from && startedAt <= to + AFTERMATH_MS,
    )
    return episode?.trouble ?? null
  }

  /** All that is known of what was done to a request, explanation or not. */
  knownOf(id: string): string {
    return this.disturbances.get(id)?.join(', ') ?? 'nothing'
  }

  /**
   * Requests of those named that a server had, and broke off, and that did not fail for all that: they were sent again.
   * `failed`: those that did fail.
   */
  sentTwice(isMeant: (id: string) => boolean, failed: ReadonlySet<string>): string[] {
    return [...this.disturbances]
      .filter(([id, hows]) => isMeant(id) && !failed.has(id) && !hows.includes('surplus'))
      .map(([id]) => id)
  }
}
