import { isDeepStrictEqual } from 'node:util'
import { countDocuments, splitSubject } from '../../model/collections.ts'
import { own } from '../../model/names.ts'
import { isCount, isFields } from '../../model/shape.ts'
import type { AppliedConfiguration, Change, Documents, KeyedWrite, StateName } from '../../model/state.ts'
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

/** What a state that was read says of its collections. */
interface Counted {
  /** False where a version wrote the whole state that knows no collections, and has left them out. */
  readonly countsDocuments: boolean
}

/** Everything, as load.lua gives it. */
export interface Loaded extends Counted {
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

/** What the head of a state is called in Redis. */
export function headInRedis({ head }: StateName): string {
  return head === EMPTY_DOCUMENTS.head ? NO_HEAD : head
}

/** Reads the reply of load.lua. Throws Damaged and Newer. */
export function readLoaded(reply: unknown): Loaded {
  const [time, meta, services, lastChange, keyed, lastReport, heads, collected] = reply as [
    string,
    string[],
    string[],
    string,
    string[],
    string,
    string[],
    string[],
  ]
  const fields = pairs(meta)
  const should = fields.get('documents')
  const rest = { timeMs: Number(time), lastChange, lastReport, heads, countsDocuments: should !== undefined }
  const head = fields.get('head') ?? NO_HEAD
  checkFormat(fields.get('format') ?? '0')
  if (head === NO_HEAD) return { ...rest, documents: EMPTY_DOCUMENTS }
  const collections = unflatten(pairs(collected), head)
  const documents = {
    revision: Number(fields.get('revision')),
    head,
    configuration: parsed(fields.get('configuration'), head) as AppliedConfiguration | null,
    services: Object.fromEntries([...pairs(services)].map(([name, json]) => [name, parsed(json, head)])),
    ...(Object.keys(collections).length === 0 ? {} : { collections }),
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
  const collectedCount = countDocuments(documents)
  if (should !== undefined && collectedCount !== Number(should)) {
    throw new Damaged(`it has ${collectedCount} documents of collections, and should have ${should}`, head)
  }
  return { ...rest, documents }
}

/** Which state there is, as probe.lua gives it. */
export interface Probe extends Counted {
  readonly timeMs: number
  readonly head: string
  readonly revision: number
  /** It was filled again by an instance a moment ago, and has not changed since: others may know more. */
  readonly isRestored: boolean
  /** All services and documents of collections are there that should be. */
  readonly isWhole: boolean
  /** How many documents all collections have together. */
  readonly documents: number
}

/** Reads the reply of probe.lua. Throws Newer and Damaged. */
export function readProbe(reply: unknown): Probe {
  const [time = '0', head = '', format = '0', revision = '0', restored, ...counts] = reply as string[]
  const [services, servicesThere, documents = '', documentsThere] = counts
  if (time === 'damaged') throw new Damaged(head, format)
  checkFormat(format)
  return {
    timeMs: Number(time),
    head,
    revision: Number(revision),
    isRestored: Number(time) - Number(restored) < RESTORED_MS,
    countsDocuments: documents !== '',
    documents: Number(documentsThere),
    isWhole: services === servicesThere && (documents === '' || documents === documentsThere),
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
  const services = keepingSameIn(before.services, after.services)
  if (after.collections === undefined) return { ...after, services }
  const collections = Object.entries(after.collections).map(([name, documents]) => [
    name,
    keepingSameIn(own(before.collections ?? {}, name) ?? {}, documents),
  ])
  return { ...after, services, collections: Object.fromEntries(collections) }
}

function keepingSameIn<T>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
): Readonly<Record<string, T>> {
  const entries = Object.entries(after).map(([name, document]): [string, T] => {
    const known = own(before, name)
    return [name, known !== undefined && isDeepStrictEqual(known, document) ? known : document]
  })
  return Object.fromEntries(entries)
}

/** Collections of what Redis has by subject. */
function unflatten(documents: ReadonlyMap<string, string>, head: string): Record<string, Record<string, unknown>> {
  const entries = [...documents].map(([subject, json]) => {
    const parts = splitSubject(subject)
    if (parts === null) throw new Damaged(`${subject} names no document`, head)
    return { collection: parts[0], name: parts[1], document: parsed(json, head) }
  })
  const collections = [...Map.groupBy(entries, ({ collection }) => collection)]
  return Object.fromEntries(
    collections.map(([collection, each]) => [
      collection,
      Object.fromEntries(each.map(({ name, document }) => [name, document])),
    ]),
  )
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
