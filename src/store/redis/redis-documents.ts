import { isDeepStrictEqual } from 'node:util'
import { isCount, isFields } from '../../model/shape.ts'
import type { AppliedConfiguration, Change, Documents, KeyedWrite, ServiceDocument } from '../../model/state.ts'
import { EMPTY_DOCUMENTS } from '../../model/state.ts'
import { isChange, isDocuments, parseJson } from '../shape.ts'

/** For so long, whoever knows more of a state that was filled again has the last word. */
const RESTORED_MS = 10_000

/** The format we write. Raised whenever an older Cutover would misread what is there. */
export const FORMAT = 1
/** What the head of an empty store is called. */
export const NO_HEAD = ''

/** What is in Redis makes no sense; it must not replace what is known. */
export class Damaged extends Error {
  override name = 'Damaged'
  /** The head that is there all the same. */
  readonly head: string

  constructor(message: string, head: string) {
    super(message)
    this.head = head
  }
}

/** A newer Cutover has written there. */
export class Newer extends Error {
  override name = 'Newer'
}

/** Everything, as load.lua gives it. */
export interface Loaded {
  /** The server's clock, ms since the epoch. */
  readonly timeMs: number
  readonly documents: Documents
  readonly lastChange: string
  readonly lastReport: string
  /** The heads of the last states, newest first. */
  readonly heads: readonly string[]
}

/** A head: who began this state, the revision, and what tells it from another change with that revision. */
export function headOf(lineage: string, revision: number, nonce: string): string {
  return `${lineage}.${revision}.${nonce}`
}

/** Who began the state of a head. */
export function lineageOf(head: string): string {
  return head.split('.')[0] ?? ''
}

/** Reads the reply of load.lua. Throws Damaged and Newer. */
export function readLoaded(reply: unknown): Loaded {
  const [time, meta, services, lastChange, keyed, lastReport, heads] = reply as [
    string,
    string[],
    string[],
    string,
    string[],
    string,
    string[],
  ]
  const fields = pairs(meta)
  const rest = { timeMs: Number(time), lastChange, lastReport, heads }
  const head = fields.get('head') ?? NO_HEAD
  checkFormat(fields.get('format') ?? '0')
  if (head === NO_HEAD) return { ...rest, documents: EMPTY_DOCUMENTS }
  const documents = {
    revision: Number(fields.get('revision')),
    head,
    configuration: parsed(fields.get('configuration'), head) as AppliedConfiguration | null,
    services: Object.fromEntries([...pairs(services)].map(([name, json]) => [name, parsed(json, head)])),
    ...(keyed.length === 0
      ? {}
      : {
          keyed: Object.fromEntries([...pairs(keyed)].flatMap(([key, json]) => keyedWrite(key, parsed(json, head)))),
        }),
  }
  if (!isDocuments(documents)) throw new Damaged('its documents make no sense', head)
  const count = Object.keys(documents.services).length
  if (count !== Number(fields.get('services'))) {
    throw new Damaged(`it has ${count} services, and should have ${fields.get('services')}`, head)
  }
  return { ...rest, documents }
}

/** Which state there is, as probe.lua gives it. */
export interface Probe {
  readonly timeMs: number
  readonly head: string
  readonly revision: number
  /** It was filled again by an instance a moment ago, and has not changed since: others may know more. */
  readonly isRestored: boolean
  /** All services are there that should be. */
  readonly isWhole: boolean
}

/** Reads the reply of probe.lua. Throws Newer and Damaged. */
export function readProbe(reply: unknown): Probe {
  const [time = '0', head = '', format = '0', revision = '0', restored, should, are] = reply as string[]
  if (time === 'damaged') throw new Damaged(head, format)
  checkFormat(format)
  return {
    timeMs: Number(time),
    head,
    revision: Number(revision),
    isRestored: Number(time) - Number(restored) < RESTORED_MS,
    isWhole: should === are,
  }
}

/** Whether we know a format; what does not say has the first one. */
export function isReadable(format = '1'): boolean {
  return Number(format) <= FORMAT
}

/** Throws Newer for a format that we do not know. */
export function checkFormat(format: string): void {
  if (isReadable(format)) return
  throw new Newer(
    `the state in Redis was written by a newer Cutover (format ${format}; this one knows up to ${FORMAT}). ` +
      'Upgrade this instance, or give it another store.prefix',
  )
}

/** The change of an entry of the feed; null when it makes no sense. */
export function readChange(json: string | undefined): Change | null {
  const change = json === undefined ? undefined : parseJson(json)
  return isChange(change) ? change : null
}

/** `after`, with what is equal in `before` being the very same, so that everybody sees what has not changed. */
export function keepingSame(before: Documents, after: Documents): Documents {
  const services = Object.entries(after.services).map(([name, document]): [string, ServiceDocument] => {
    const known = Object.hasOwn(before.services, name) ? before.services[name] : undefined
    return [name, known !== undefined && isDeepStrictEqual(known, document) ? known : document]
  })
  return { ...after, services: Object.fromEntries(services) }
}

function keyedWrite(key: string, value: unknown): [string, KeyedWrite][] {
  const fits =
    isFields(value) && isCount(value.revision) && typeof value.fingerprint === 'string' && isCount(value.atMs)
  return fits ? [[key, value as unknown as KeyedWrite]] : []
}

function parsed(json: string | undefined, head: string): unknown {
  if (json === undefined) return null
  const value = parseJson(json)
  if (value === undefined) throw new Damaged('one of its documents is not JSON', head)
  return value
}

/** A hash, or the fields of an entry of a stream, which come flat. */
export function pairs(flat: readonly string[]): Map<string, string> {
  const entries = new Map<string, string>()
  for (let i = 0; i + 1 < flat.length; i += 2) entries.set(flat[i] as string, flat[i + 1] as string)
  return entries
}
