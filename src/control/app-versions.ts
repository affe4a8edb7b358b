import type { Logger } from 'pino'
import type { VersionsReport } from '../model/messages.ts'
import { poolKey } from '../model/names.ts'

/** How long a version counts after it was last reported, ms. */
const COUNTS_MS = 60_000
const MAX_LENGTH = 64
const MAX_VERSIONS = 8
const PRINTABLE = /^[\x20-\x7e]*$/

/** The version that a pool has by its definition is not the one that its servers report, or is again. */
export interface VersionMismatch {
  readonly service: string
  readonly pool: string
  readonly version: string
  /** Versions that its servers have reported in the last minute. */
  readonly reported: readonly string[]
  readonly isMismatch: boolean
}

export interface AppVersionsOptions {
  /** Version of a pool by its definition; undefined = there is no such pool. */
  readonly versionOf: (service: string, pool: string) => string | undefined
  /** Called when a pool begins or ceases to report other versions than its own. */
  readonly onMismatch: (mismatch: VersionMismatch) => void
  /** Monotonic ms. */
  readonly now?: () => number
}

interface Reported {
  readonly version: string
  /** When each was last reported. */
  readonly at: Map<string, number>
  isMismatch: boolean
}

/** The versions that servers report of themselves (`versionHeader`), compared with those of their pools. */
export class AppVersions {
  private readonly options: AppVersionsOptions
  private readonly now: () => number
  private readonly pools = new Map<string, Reported>()

  constructor(options: AppVersionsOptions) {
    this.options = options
    this.now = options.now ?? (() => performance.now())
  }

  /** Takes what responses or health checks of a pool have reported. */
  take({ service, pool, version, seen }: VersionsReport): void {
    // A response to a request that was sent before the definition changed says nothing about the new one.
    if (this.options.versionOf(service, pool) !== version) return
    const key = poolKey(service, pool)
    let reported = this.pools.get(key)
    if (reported === undefined || reported.version !== version) {
      reported = { version, at: new Map(), isMismatch: reported?.isMismatch ?? false }
      this.pools.set(key, reported)
    }
    for (const each of seen) {
      const shown = PRINTABLE.test(each) ? each.slice(0, MAX_LENGTH) : '(unreadable)'
      if (reported.at.size < MAX_VERSIONS || reported.at.has(shown)) reported.at.set(shown, this.now())
    }
    const current = currentOf(reported, this.now())
    const isMismatch = current.some((each) => each !== version)
    if (isMismatch === reported.isMismatch) return
    reported.isMismatch = isMismatch
    this.options.onMismatch({ service, pool, version, reported: current, isMismatch })
  }

  /** Takes the version that a health check of a server has found; undefined = none. `key`: of the target. */
  probed(key: string, found: string | undefined): void {
    if (found === undefined) return
    const [service = '', pool = ''] = key.split('/')
    const version = this.options.versionOf(service, pool)
    if (version !== undefined) this.take({ service, pool, version, seen: [found] })
  }

  /** Forgets pools that are gone. */
  tidy(): void {
    for (const key of this.pools.keys()) {
      const [service = '', pool = ''] = key.split('/')
      if (this.options.versionOf(service, pool) === undefined) this.pools.delete(key)
    }
  }

  /** The versions that a pool has reported in the last minute. */
  reportedBy(service: string, pool: string): readonly string[] {
    const reported = this.pools.get(poolKey(service, pool))
    return reported === undefined || reported.version !== this.options.versionOf(service, pool)
      ? []
      : currentOf(reported, this.now())
  }
}

function currentOf({ at }: Reported, now: number): string[] {
  for (const [version, since] of at) if (now - since > COUNTS_MS) at.delete(version)
  return [...at.keys()].sort()
}

export function logVersions(log: Logger, { isMismatch, ...mismatch }: VersionMismatch): void {
  if (isMismatch) log.warn(mismatch, 'the servers of a pool report another version than the pool has')
  else log.info(mismatch, 'the servers of the pool report its version again')
}
