import type { AccessRecord, LoggedTls, LogTag } from './access-record.ts'
import { escaped, isPlain, rounded } from './log-text.ts'

/** Matches a value that needs no quotes: no space, quote, backslash or `=`, and ASCII only. */
const BARE = /^[\x21\x23-\x3c\x3e-\x5b\x5d-\x7e]*$/
/** Matches the name of a tag that can be a part of a key. */
const KEY = /^[\w.:@/+-]+$/

/**
 * Formats a record as a line of logfmt: pairs of key and value, with the keys of the JSON format. Values are quoted, and
 * escaped as in JSON, if they contain anything but plain ASCII; keys without a value are left out.
 */
export function logfmtLine(record: AccessRecord): string {
  const { client, method, host, target, service, pool, version, server, requestId, traceId, error, tags } = record
  // The target has quotes anyway, since most queries contain `=`.
  const texts = `${client}${method}${host}${service}${pool}${version}${server}${requestId}${traceId}${error}`
  const path = isPlain(target) ? target : escaped(target)
  return format(BARE.test(texts) ? record : withTextsQuoted(record), path, tags === null ? '' : tagPairs(tags))
}

/** `target`: as it stands in quotes. `tags`: their pairs. */
function format(record: AccessRecord, target: string, tags: string): string {
  const { grpcStatus, heldMs, connectMs, firstByteMs, error } = record
  return `time=${timeText(record.atMs)} level=info msg=request${pair(' client=', record.client)}${pair(' method=', record.method)}${pair(' host=', record.host)}${target === '' ? '' : ` target="${target}"`} status=${record.status}${grpcStatus === null ? '' : ` grpcStatus=${grpcStatus}`} bytes=${record.bytes} ms=${rounded(record.durationMs)} queueMs=${rounded(record.queueMs)}${heldMs === 0 ? '' : ` heldMs=${rounded(heldMs)}`}${connectMs === null ? '' : ` connectMs=${rounded(connectMs)}`}${firstByteMs === null ? '' : ` firstByteMs=${rounded(firstByteMs)}`}${pair(' service=', record.service)}${pair(' pool=', record.pool)}${pair(' version=', record.version)}${pair(' server=', record.server)} attempts=${record.attempts}${pair(' requestId=', record.requestId)}${pair(' traceId=', record.traceId)}${pair(' error=', error)}${record.tls === null ? '' : tlsPairs(record.tls)}${tags}\n`
}

function tlsPairs({ version, cipher, serverName }: LoggedTls): string {
  return ` tls.version=${version} tls.cipher=${cipher}${pair(' tls.serverName=', serverName)}`
}

function pair(begin: string, value: string): string {
  return value === '' ? '' : begin + value
}

function withTextsQuoted(record: AccessRecord): AccessRecord {
  const entries = Object.entries(record).map(([key, value]) => [key, typeof value === 'string' ? quoted(value) : value])
  return Object.fromEntries(entries) as AccessRecord
}

function quoted(text: string): string {
  return BARE.test(text) ? text : `"${escaped(text)}"`
}

/** A pair `tags.NAME=value` for each tag; characters of names that a key cannot contain are percent-encoded. */
function tagPairs(tags: Readonly<Record<string, LogTag>>): string {
  let pairs = ''
  for (const [name, value] of Object.entries(tags)) {
    const key = KEY.test(name) ? name : encodeURIComponent(name.toWellFormed())
    pairs += ` tags.${key}=${value === '' ? '""' : typeof value === 'string' ? quoted(value) : value}`
  }
  return pairs
}

let lastSecond = Number.NaN
let lastText = ''

/** The time in ISO 8601; all but the milliseconds is made once a second. */
function timeText(atMs: number): string {
  const second = Math.floor(atMs / 1_000)
  if (second !== lastSecond) {
    lastSecond = second
    lastText = new Date(second * 1_000).toISOString().slice(0, 'yyyy-mm-ddThh:mm:ss.'.length)
  }
  const ms = atMs - second * 1_000
  return `${lastText}${ms < 100 ? (ms < 10 ? '00' : '0') : ''}${ms}Z`
}
