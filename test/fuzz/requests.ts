import fc from 'fast-check'
import { type BodySketch, bodies, bodyText, chunked, hasFramingTrailer } from './bodies.ts'
import { damaged, damagedRequest } from './damage.ts'
import { bytesOf, type Draft, textOf, withLine } from './draft.ts'
import { type ExpectationSketch, expectations, heldBack } from './expectation.ts'
import { type FieldSketch, fieldOf, lineOf, requestFields, SIMPLEST_FIRST } from './fields.ts'
import { cut } from './pieces.ts'
import { type PlannedRequest, REQUEST_ID_FIELD } from './plan.ts'
import { REQUEST_FAULTS } from './request-faults.ts'
import type { Field } from './wire.ts'

export interface RequestSketch {
  readonly method: string
  readonly version: '1.0' | '1.1'
  readonly target: TargetSketch
  readonly host: 'plain' | 'capitals' | 'port'
  /** Where among the other fields Host stands, and what frames the body. */
  readonly hostAt: number
  readonly framingAt: number
  readonly fields: readonly FieldSketch[]
  readonly persistence: 'unsaid' | 'keep-alive' | 'close'
  /** Lines that concern the client's own connection. */
  readonly hop: readonly string[]
  readonly framing: 'none' | 'length' | 'chunked'
  readonly body: BodySketch
  readonly expectation: ExpectationSketch | null
  readonly cuts: readonly number[]
  /** Its first bytes come one by one. */
  readonly bytewise: boolean
  readonly fault: { readonly name: string; readonly at: number } | null
  /** Which byte is damaged, and how, where it has no fault. */
  readonly damage: number | null
}

interface TargetSketch {
  readonly form: 'origin' | 'absolute' | 'absolute without a path'
  readonly before: string
  readonly after: string
}

const METHODS = [
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
  ...['PROPFIND', 'REPORT', 'PURGE', 'MKCOL', 'SEARCH', 'LOCK', 'UNLOCK', 'M-SEARCH', 'QUERY'],
]

/** All that is visible and not a fragment, some of it percent-encoded, well or badly. */
const targetParts = fc.oneof(
  SIMPLEST_FIRST,
  { weight: 6, arbitrary: fc.constantFrom(...visible().replace('#', '')) },
  {
    weight: 3,
    arbitrary: fc.constantFrom('%2F', '%2e', '%00', '%0d%0a', '%', '%zz', '%C3%A9', '/../', '//', '/./', '?'),
  },
)

const targets: fc.Arbitrary<TargetSketch> = fc.record({
  form: fc.constantFrom<TargetSketch['form'][]>('origin', 'origin', 'origin', 'absolute', 'absolute without a path'),
  before: fc.constantFrom('', '', '/', './', '../', 'a%2Fb//c/', '%00/', 'x;y/', 'http://other.test/', '..;/', '?a=/'),
  after: fc.oneof(
    SIMPLEST_FIRST,
    { weight: 8, arbitrary: fc.array(targetParts, { maxLength: 12 }).map((parts) => parts.join('')) },
    { weight: 1, arbitrary: fc.integer({ min: 1_000, max: 7_000 }).map((length) => '/x'.repeat(length / 2)) },
  ),
})

const HOPS = [
  ['Connection: x-hop', 'X-Hop: 1'],
  ['CONNECTION: X-Hop , x-other', 'x-hop: 1', 'X-Hop: 2'],
  ['Connection: host, x-forwarded-for, via, content-length, transfer-encoding'],
  ['Keep-Alive: timeout=5, max=100'],
  ['TE: trailers, deflate;q=0.5', 'Connection: TE'],
  ['Proxy-Connection: keep-alive'],
  ['Upgrade: foo'],
  ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'],
  ['Trailer: x-sum'],
  ['Connection: Upgrade', 'Upgrade: websocket'],
]

export const requests: fc.Arbitrary<RequestSketch> = fc.record({
  method: fc.constantFrom(...METHODS),
  version: fc.constantFrom<('1.0' | '1.1')[]>('1.1', '1.1', '1.1', '1.1', '1.0'),
  target: targets,
  host: fc.constantFrom<RequestSketch['host'][]>('plain', 'capitals', 'port'),
  hostAt: fc.nat(20),
  framingAt: fc.nat(20),
  fields: requestFields,
  persistence: fc.constantFrom<RequestSketch['persistence'][]>('unsaid', 'unsaid', 'unsaid', 'keep-alive', 'close'),
  hop: fc.oneof(SIMPLEST_FIRST, fc.constant([]), fc.constant([]), fc.constantFrom(...HOPS)),
  framing: fc.constantFrom<RequestSketch['framing'][]>('none', 'length', 'chunked'),
  body: bodies,
  expectation: expectations,
  cuts: fc.array(fc.nat(200_000), { maxLength: 5 }),
  bytewise: fc.nat(9).map((nat) => nat === 9),
  fault: fc.oneof(
    SIMPLEST_FIRST,
    { weight: 5, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.record({ name: fc.constantFrom(...REQUEST_FAULTS.keys()), at: fc.nat(1_000) }) },
  ),
  damage: fc.oneof(SIMPLEST_FIRST, { weight: 11, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat() }),
})

/** Bytes that come one by one, if they do. */
const BYTEWISE = 300

/** The request as it is sent to a host, and what is to come of it. */
export function planRequest(sketch: RequestSketch, id: string, host: string): PlannedRequest {
  const draft = draftOf(sketch, id, host)
  const fault = sketch.fault === null ? undefined : REQUEST_FAULTS.get(sketch.fault.name)
  const text = fault?.damage(draft, sketch.fault?.at ?? 0, { id, host }) ?? textOf(draft)
  const bytes = bytesOf(text)
  const version = / HTTP\/1\.0\r\n/.test(text) ? '1.0' : '1.1'
  const body = fault?.body ?? (sketch.framing === 'none' ? '' : bodyText(sketch.body, id, host))
  // With a body, it is a request like any other.
  const upgrades = sketch.hop.includes('Upgrade: websocket') && version === '1.1'
  const cuts = sketch.bytewise ? [...sketch.cuts, ...Array(BYTEWISE).keys()] : sketch.cuts
  const expects = sketch.expectation !== null && version === '1.1' && (body !== '' || sketch.framing === 'chunked')
  const planned: PlannedRequest = {
    method: /\S+/.exec(text)?.[0] ?? '',
    version,
    pieces: cut(bytes, cuts),
    held: [],
    expects,
    fate:
      fault?.fate ??
      (sketch.framing === 'chunked' && hasFramingTrailer(sketch.body) ? 'forwarded or refused' : 'forwarded'),
    leaves: fault?.leaves ?? null,
    upgrades,
    closes: upgrades || closes(version, sketch),
    target: fault?.target?.(id) ?? targetOf(sketch.target, id),
    fields: [...sketch.fields.map(fieldOf), [REQUEST_ID_FIELD, id] satisfies Field],
    body: bytesOf(body),
  }
  if (expects && sketch.expectation?.waits) {
    const headEnd = text.indexOf('\r\n\r\n') + 4
    return heldBack(
      planned,
      cut(bytes.subarray(0, headEnd), cuts),
      cut(bytes.subarray(headEnd), cuts),
      sketch.expectation,
    )
  }
  const mayBeDamaged = sketch.damage !== null && fault === undefined && sketch.hop.length === 0 && version === '1.1'
  return mayBeDamaged ? damagedRequest(planned, damaged(text, sketch.damage ?? 0), id, host) : planned
}

function draftOf(sketch: RequestSketch, id: string, host: string): Draft {
  const { version, target, persistence } = sketch
  const authority = sketch.host === 'capitals' ? host.toUpperCase() : sketch.host === 'port' ? `${host}:8080` : host
  const body = bodyText(sketch.body, id, host)
  const path = target.form === 'absolute without a path' ? targetOf(target, id).slice(1) : targetOf(target, id)
  // HTTP/1.0 has no chunks.
  const framing = version === '1.0' && sketch.framing === 'chunked' ? 'length' : sketch.framing
  const lines = [...sketch.fields.map(lineOf), `${REQUEST_ID_FIELD}: ${id}`, ...sketch.hop]
  if (persistence !== 'unsaid') lines.push(`Connection: ${persistence}`)
  let draft: Draft = {
    start: `${sketch.method} ${target.form === 'origin' ? '' : `http://${authority}`}${path} HTTP/${version}`,
    lines,
    payload: framing === 'none' ? '' : framing === 'length' ? body : chunked(body, sketch.body.chunks),
  }
  draft = withLine(draft, `Host: ${authority}`, sketch.hostAt)
  if (sketch.expectation !== null) draft = withLine(draft, sketch.expectation.spelling, sketch.framingAt)
  if (framing === 'none') return draft
  const line = framing === 'length' ? `Content-Length: ${body.length}` : 'Transfer-Encoding: chunked'
  return withLine(draft, line, sketch.framingAt)
}

function targetOf({ form, before, after }: TargetSketch, id: string): string {
  return form === 'absolute without a path' ? `/?${id}${after}` : `/${before}${id}${after}`
}

function closes(version: string, { persistence, hop }: RequestSketch): PlannedRequest['closes'] {
  if (persistence === 'close') return true
  // Where an upgrade is not followed, nobody knows what the client takes the bytes behind it for.
  if (version === '1.1') return hop.some((line) => line.startsWith('Upgrade: ')) ? 'maybe' : false
  return persistence === 'keep-alive' || hop.length > 0 ? 'maybe' : true
}

function visible(): string {
  return String.fromCharCode(...Array.from({ length: 0x7e - 0x20 }, (_, i) => 0x21 + i))
}
