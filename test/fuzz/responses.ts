import fc from 'fast-check'
import { type BodySketch, bodies, bodyText, chunked, hasFramingTrailer } from './bodies.ts'
import { damaged, damagedResponse } from './damage.ts'
import { bytesOf, type Draft, textOf, withLine } from './draft.ts'
import { type FieldSketch, fieldOf, lineOf, responseFields, SIMPLEST_FIRST } from './fields.ts'
import { cut } from './pieces.ts'
import { type PlannedRequest, type PlannedResponse, RESPONSE_ID_FIELD } from './plan.ts'
import { RESPONSE_FAULTS } from './response-faults.ts'
import type { Field } from './wire.ts'

export interface ResponseSketch {
  readonly status: number
  readonly reason: string
  readonly version: '1.0' | '1.1'
  readonly framingAt: number
  readonly fields: readonly FieldSketch[]
  readonly persistence: 'unsaid' | 'keep-alive' | 'close'
  /** Lines that concern the server's own connection. */
  readonly hop: readonly string[]
  readonly framing: 'length' | 'chunked' | 'close'
  readonly body: BodySketch
  readonly interim: readonly InterimSketch[]
  readonly early: boolean
  readonly cuts: readonly number[]
  readonly fault: { readonly name: string; readonly at: number } | null
  /** Which byte is damaged, and how, where it has no fault. */
  readonly damage: number | null
}

interface InterimSketch {
  readonly status: number
  readonly fields: readonly FieldSketch[]
}

const statuses = fc.oneof(
  SIMPLEST_FIRST,
  { weight: 4, arbitrary: fc.constantFrom(200, 201, 404, 500, 503) },
  { weight: 2, arbitrary: fc.constantFrom(204, 304) },
  { weight: 2, arbitrary: fc.integer({ min: 200, max: 599 }) },
)

const HOPS = [
  ['Connection: x-hop', 'X-Hop: 1'],
  ['connection: X-Hop , content-length, transfer-encoding', 'x-hop: 1', 'X-Hop: 2'],
  ['Keep-Alive: timeout=5, max=100'],
  ['Proxy-Connection: keep-alive'],
  ['Upgrade: h2c, foo', 'Connection: Upgrade'],
  ['Trailer: x-sum, content-length'],
  ['TE: trailers'],
]

export const responses: fc.Arbitrary<ResponseSketch> = fc.record({
  status: statuses,
  reason: fc.constantFrom('OK', 'OK', '', 'Not  at all\tOK', 'caf\xe9 \xff', 'x'.repeat(300), ': HTTP/1.1 200 OK'),
  version: fc.constantFrom<('1.0' | '1.1')[]>('1.1', '1.1', '1.1', '1.1', '1.0'),
  framingAt: fc.nat(20),
  fields: responseFields,
  persistence: fc.constantFrom<ResponseSketch['persistence'][]>('unsaid', 'unsaid', 'keep-alive', 'close'),
  hop: fc.oneof(SIMPLEST_FIRST, fc.constant([]), fc.constant([]), fc.constantFrom(...HOPS)),
  framing: fc.constantFrom<ResponseSketch['framing'][]>('length', 'length', 'chunked', 'chunked', 'close'),
  body: bodies,
  interim: fc.oneof(
    SIMPLEST_FIRST,
    { weight: 4, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc.array(fc.record({ status: fc.constantFrom(103, 103, 102, 199, 100), fields: responseFields }), {
        maxLength: 3,
      }),
    },
  ),
  early: fc.nat(9).map((nat) => nat === 9),
  cuts: fc.array(fc.nat(200_000), { maxLength: 5 }),
  fault: fc.oneof(
    SIMPLEST_FIRST,
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.record({ name: fc.constantFrom(...RESPONSE_FAULTS.keys()), at: fc.nat(1_000) }) },
  ),
  damage: fc.oneof(SIMPLEST_FIRST, { weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat() }),
})

/** The response to a request as it is sent, and its expected fate. */
export function planResponse(
  sketch: ResponseSketch,
  id: string,
  request: PlannedRequest,
  host: string,
): PlannedResponse {
  const { method, upgrades } = request
  const found = sketch.fault === null ? undefined : RESPONSE_FAULTS.get(sketch.fault.name)
  const status = found?.status ?? sketch.status
  const bodiless = method === 'HEAD' || status === 204 || status === 304
  const applies = !(found?.needsBody && bodiless) && !(found?.isUnasked && upgrades)
  const fault = applies ? found : undefined
  const body = bodiless ? '' : bodyText(sketch.body, id, host)
  const closes =
    sketch.persistence === 'close' ||
    (sketch.framing === 'close' && !bodiless) ||
    (sketch.version === '1.0' && sketch.persistence !== 'keep-alive')
  const draft = draftOf({ ...sketch, status }, id, body, bodiless)
  const text = fault?.damage(draft, sketch.fault?.at ?? 0, { id, host }) ?? textOf(draft)
  const trailers = sketch.framing === 'chunked' && !bodiless ? sketch.body.chunks.trailers : []
  const isOdd =
    sketch.interim.some(({ status }) => status === 100) || (trailers.length > 0 && hasFramingTrailer(sketch.body))
  // What has no body may say all the same how long it would have been, and the client wants to know.
  const saidLength =
    bodiless && fault === undefined
      ? draft.lines
          .filter((line) => line.startsWith('Content-Length: '))
          .map((line): Field => ['content-length', line.slice(16)])
      : []
  const fate = fault?.fate ?? 'whole'
  const interim = sketch.interim.map(interimText).join('')
  const planned: PlannedResponse = {
    fate: isOdd && fate === 'whole' ? 'whole or bad' : fate,
    pieces: cut(bytesOf(interim + text), fault?.inOneGo ? [] : sketch.cuts),
    ending: fault?.ending ?? (closes ? 'fin' : 'keep'),
    // One that closes with a request unread resets, and its own answer may be lost with that.
    early: sketch.early && fault === undefined && !closes,
    continues: false,
    status,
    fields: [...sketch.fields.map(fieldOf), ...saidLength, [RESPONSE_ID_FIELD, id] satisfies Field],
    body: bytesOf(fault?.body?.(id, sketch.fault?.at ?? 0) ?? body),
    trailers,
    interim: sketch.interim.map((interim) => interim.status),
  }
  if (sketch.damage === null || fault !== undefined || sketch.hop.length > 0) return planned
  return damagedResponse(planned, damaged(text, sketch.damage), id, method)
}

function draftOf(sketch: ResponseSketch, id: string, body: string, bodiless: boolean): Draft {
  const { status, version, persistence, reason } = sketch
  const lines = [...sketch.fields.map(lineOf), `${RESPONSE_ID_FIELD}: ${id}`, ...sketch.hop]
  if (persistence !== 'unsaid') lines.push(`Connection: ${persistence}`)
  const start = `HTTP/${version} ${status} ${reason}`
  const chunks = sketch.framing === 'chunked' && version === '1.1'
  const draft = { start, lines, payload: bodiless ? '' : chunks ? chunked(body, sketch.body.chunks) : body }
  // What a body would have been like may be said where there is none, but for 204.
  if (sketch.framing === 'close' || status === 204 || (status === 304 && chunks)) return draft
  const length = bodiless ? sketch.body.length : body.length
  return withLine(draft, chunks ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`, sketch.framingAt)
}

function interimText({ status, fields }: InterimSketch): string {
  return textOf({ start: `HTTP/1.1 ${status} Wait`, lines: fields.map(lineOf), payload: '' })
}
