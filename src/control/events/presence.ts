import type { EventDraft } from '../../model/event-record.ts'
import { eventRecord } from '../../model/events.ts'
import type { InstanceRecord } from '../../model/fleet.ts'
import type { EventLog } from '../../store/event-log.ts'
import type { Fleet } from '../fleet/fleet.ts'

const SUBJECT = 'instance '
/** Time for which an instance of the log may be unknown here before it counts as gone, ms. */
const UNKNOWN_MS = 5_000
/** Time after which the same is reported again if the log does not have it, ms. */
const REPEAT_MS = 5_000

/** What is told of an instance that joins. */
type Joining = Pick<InstanceRecord, 'id' | 'name' | 'address' | 'version'>

/**
 * Keeps the log true to the fleet: each instance says itself that it has joined, also after it was gone, and those that
 * miss another say that it is gone. The log takes each once.
 */
export class Presence {
  private readonly log: EventLog
  private readonly fleet: Pick<Fleet, 'others' | 'unreadable' | 'isAlone'>
  private readonly self: () => Joining
  private readonly nowMs: () => number
  /** When each report was made, by the report, monotonic ms. */
  private readonly reported = new Map<string, number>()
  /** Since when an instance of the log is unknown here, by subject, monotonic ms. */
  private readonly unknownSince = new Map<string, number>()

  /** `self`: this instance; `nowMs`: the clock of the store. */
  constructor(log: EventLog, fleet: Presence['fleet'], self: () => Joining, nowMs: () => number) {
    this.log = log
    this.fleet = fleet
    this.self = self
    this.nowMs = nowMs
  }

  check(): void {
    const now = performance.now()
    const others = this.fleet.others()
    const self = this.self()
    const live = [self, ...others.filter((member) => member.live).map(({ record }) => record)]
    const silent = new Set(others.filter((member) => !member.live).map(({ record }) => subjectOf(record.id)))
    const unreadable = this.fleet.unreadable().filter((each) => each.live)
    const present = new Set([...live, ...unreadable].map(({ id }) => subjectOf(id)))
    if (!this.log.kept.open.has(subjectOf(self.id))) this.report(this.joined(self))
    for (const subject of [...this.log.kept.open.keys()].filter((each) => each.startsWith(SUBJECT))) {
      if (present.has(subject)) this.unknownSince.delete(subject)
      else if (silent.has(subject)) this.report(this.gone(subject, 'it has been silent for too long'))
      else if (this.isUnknown(subject, now)) this.report(this.gone(subject, 'it has signed off, or was replaced'))
    }
    for (const subject of this.unknownSince.keys())
      if (!this.log.kept.open.has(subject)) this.unknownSince.delete(subject)
  }

  /** Logs that this instance signs off. */
  leave(): void {
    const { id } = this.self()
    this.log.append([this.gone(subjectOf(id), 'it has signed off')])
  }

  /** Whether an instance of the log has been unknown here for long enough. */
  private isUnknown(subject: string, now: number): boolean {
    const since = this.unknownSince.get(subject) ?? now
    this.unknownSince.set(subject, since)
    return this.fleet.isAlone || now - since > UNKNOWN_MS
  }

  private report(draft: EventDraft): void {
    const now = performance.now()
    const key = `${draft.event.type} ${draft.opens?.subject ?? draft.closes}`
    for (const [each, at] of this.reported) if (now - at > REPEAT_MS) this.reported.delete(each)
    if (this.reported.has(key)) return
    this.reported.set(key, now)
    this.log.append([draft])
  }

  private joined({ id, name, address, version }: Joining): EventDraft {
    const event = eventRecord({
      type: 'instance.joined',
      at: this.at(),
      instance: name,
      after: { id, address, version },
    })
    return { event, opens: { subject: subjectOf(id), keys: [] } }
  }

  private gone(subject: string, reason: string): EventDraft {
    const { instance = null, after: before = null } = this.log.kept.open.get(subject)?.event ?? {}
    return { event: eventRecord({ type: 'instance.gone', at: this.at(), instance, reason, before }), closes: subject }
  }

  private at(): string {
    return new Date(this.nowMs()).toISOString()
  }
}

function subjectOf(id: string): string {
  return `${SUBJECT}${id}`
}
