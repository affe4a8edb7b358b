import type { Fields } from '../../http1/fields.ts'
import type { VersionsReport } from '../../model/messages.ts'

/** Max different versions of a pool that are told apart between two reports; a server may send anything. */
const MAX_VERSIONS = 8

/** The versions that the servers of one pool report in a field of their responses, since they were last taken. */
export class VersionsSeen {
  private readonly field: string
  private readonly pool: Omit<VersionsReport, 'seen'>
  private readonly onNews: (versions: VersionsSeen) => void
  private readonly seen = new Set<string>()
  /** The last one; most responses have the same. */
  private last = ''

  /** `field`: lower-case name. `onNews`: called with the first version after they were taken. */
  constructor(field: string, pool: Omit<VersionsReport, 'seen'>, onNews: (versions: VersionsSeen) => void) {
    this.field = field
    this.pool = pool
    this.onNews = onNews
  }

  /** Notes the version in a response, if there is one. */
  note(fields: Fields): void {
    const index = fields.indexOf(this.field)
    if (index === -1) return
    const version = fields.value(index)
    if (version === this.last || version === '' || this.seen.size >= MAX_VERSIONS) return
    if (this.seen.size === 0) this.onNews(this)
    this.seen.add(version)
    this.last = version
  }

  /** Returns the versions, and forgets them. */
  take(): VersionsReport {
    const seen = [...this.seen]
    this.seen.clear()
    this.last = ''
    return { ...this.pool, seen }
  }
}
