import { isDeepStrictEqual } from 'node:util'
import { countDocuments, splitSubject } from '../../model/collections.ts'
import { own } from '../../model/names.ts'
import { isCount, isFields } from '../../model/shape.ts'
import type { AppliedConfiguration, Change, Documents, KeyedWrite, StateName } from '../../model/state.ts'
import { EMPTY_DOCUMENTS } from '../../model/state.ts'
import { isChange, isDocuments, parseJson } from '../shape.ts'

/** Time after a restore, ms, in which an instance that knows a newer state may replace the restored one. */
const RESTORED_MS = 10_000

/** The format that this version writes. Raise it whenever an older Cutover would misread the state. */
export const FORMAT = 1
/** The head of an empty store in Redis. */
export const NO_HEAD = ''

/** The state in Redis is damaged, and must not replace the known state. */
export class Damaged extends Error {
  override name = 'Damaged'
  /** The head found in Redis; empty = none. */
  readonly head: string

  constructor(message: string, head: string) {
    super(message)
    this.head = head
  }
}

/** The state in Redis was written by a newer Cutover. */
export class Newer extends Error {
  override name = 'Newer'
}

/** Whether the number of a state's collection documents is known. */
interface Counted {
  /** False = the whole state was written by a version that knows no collections, and left them out. */
  readonly countsDocuments: boolean
}

/** The whole state, as returned by load.lua. */
export interface Loaded extends Counted {
  /** The server's clock, ms since the epoch. */
  readonly timeMs: number
  readonly documents: Documents
  readonly lastChange: string
  readonly lastReport: string
  /** The heads of the last states, newest first. */
  readonly heads: readonly string[]
}

/** Builds a head: the lineage, the revision, and a nonce that distinguishes changes with the same revision. */
export function headOf(lineage: string, revision: number, nonce: string): string {
  return `${lineage}.${revision}.${nonce}`
}

/** The lineage of a head: the nonce of the instance that began its state. */
export function lineageOf(head: string): string {
  return head.split('.')[0] ?? ''
}

/** The head of a state as written in Redis. */
export function headInRedis({ head }: StateName): string {
  return head === EMPTY_DOCUMENTS.head ? NO_HEAD : head
}

/** Parses the reply of load.lua. Throws Damaged and Newer. */
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

/** Identity of the state in Redis, as returned by probe.lua. */
export interface Probe extends Counted {
  readonly timeMs: number
  readonly head: string
  readonly revision: number
  /** An instance restored it a moment ago, and it has not changed since: other instances may know a newer state. */
  readonly isRestored: boolean
  /** No service or document of a collection is missing. */
  readonly isWhole: boolean
  /** Number of documents of all collections together. */
  readonly documents: number
}

/** Parses the reply of probe.lua. Throws Newer and Damaged. */
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

/** Whether this version reads a format; data without a format has the first one. */
export function isReadable(format = '1'): boolean {
  return Number(format) <= FORMAT
}

/** Throws Newer for a format that this version cannot read. */
export function checkFormat(format: string): void {
  if (isReadable(format)) return
  throw new Newer(
    `the state in Redis was written by a newer Cutover (format ${format}; this one knows up to ${FORMAT}). ` +
      'Upgrade this instance, or give it another store.prefix',
  )
}

/** Parses the change of an entry of the feed; null if it is malformed. */
export function readChange(json: string | undefined): Change | null {
  const change = json === undefined ? undefined : parseJson(json)
  return isChange(change) ? change : null
}

/**
 * Returns `after` with the objects of `before` in place of equal ones, so that unchanged documents keep their identity.
 */
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

/** Builds collections from a hash by subject. */
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

/** Builds a map from a flat list of names and values: a hash, or the fields of a stream's entry. */
export function pairs(flat: readonly string[]): Map<string, string> {
  const entries = new Map<string, string>()
  for (let i = 0; i + 1 < flat.length; i += 2) entries.set(flat[i] as string, flat[i + 1] as string)
  return entries
}
