import { randomBytes } from 'node:crypto'
import type { SecretBox } from '../../model/secret-box.ts'
import {
  TICKET_KEY_BYTES,
  TICKET_PURPOSE,
  type TicketKeys as TicketKeysDocument,
  ticketKeysChange,
  ticketKeysOf,
} from '../../model/ticket-keys.ts'
import { type Store, takesChanges } from '../../store/store.ts'

/** Time after which keys are replaced. */
const ROTATE_MS = 12 * 3_600_000
/** Age up to which an instance stores the keys that it has used alone. */
const OWN_MS = 60_000
/** Interval at which their age is looked at. */
const LOOK_MS = 60_000

interface TicketKeysOptions {
  readonly store: Store
  readonly box: SecretBox
  /** Gives keys to the proxies, 48 bytes in base64. */
  readonly use: (key: string) => void
  readonly onError: (error: unknown) => void
}

/**
 * The keys for tickets of TLS sessions, the same in all workers of all instances, so that a client resumes its session at any
 * of them. One instance makes new ones; all others take them from the store.
 */
export class TicketKeys {
  private readonly options: TicketKeysOptions
  /**
   * Used while the store has none that can be read here, so that at least the workers of this instance share some. An instance that
   * makes the first keys of a fleet stores its own, so that the tickets it has given out stay good.
   */
  private readonly own = newKey()
  private readonly ownMadeAt = performance.now()
  private timer: NodeJS.Timeout | null = null
  private isMaking = false

  constructor(options: TicketKeysOptions) {
    this.options = options
  }

  /** Begins to follow the store. */
  start(): void {
    this.options.store.subscribe(() => this.follow())
    this.options.store.onStatus(() => this.rotate())
    this.timer = setInterval(() => this.rotate(), LOOK_MS).unref()
    this.follow()
    this.rotate()
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  private follow(): void {
    const found = ticketKeysOf(this.options.store.documents())
    this.options.use(found === null || found === 'unreadable' ? this.own : (this.open(found) ?? this.own))
  }

  /** null = they are sealed with another secret. */
  private open({ key }: TicketKeysDocument): string | null {
    const opened = this.options.box.open(key, TICKET_PURPOSE)
    return 'text' in opened && Buffer.from(opened.text, 'base64').length === TICKET_KEY_BYTES ? opened.text : null
  }

  /** Makes new keys if there are none, or if they are old. Of several instances, the first one has its way. */
  private rotate(): void {
    const { store, onError } = this.options
    if (this.isMaking || this.timer === null || !this.isDue || !takesChanges(store)) return
    this.isMaking = true
    this.make()
      .catch(onError)
      .finally(() => {
        this.isMaking = false
      })
  }

  private get isDue(): boolean {
    const { store } = this.options
    const found = ticketKeysOf(store.documents())
    if (found === null) return true
    // Keys that cannot be read here are those of others, and stay.
    return found !== 'unreadable' && this.open(found) !== null && store.nowMs() - found.madeAtMs >= ROTATE_MS
  }

  private async make(): Promise<void> {
    const { store, box } = this.options
    while (this.isDue) {
      const madeAtMs = store.nowMs()
      const keepsOwn = ticketKeysOf(store.documents()) === null && performance.now() - this.ownMadeAt < OWN_MS
      const key = keepsOwn ? this.own : newKey()
      const keys = { key: box.seal(key, TICKET_PURPOSE), madeAtMs }
      const revision = store.documents().revision + 1
      const outcome = await store.commit(ticketKeysChange(keys, revision, new Date(madeAtMs).toISOString()))
      if (outcome !== 'stale') return
      await store.refresh()
    }
  }
}

function newKey(): string {
  return randomBytes(TICKET_KEY_BYTES).toString('base64')
}
