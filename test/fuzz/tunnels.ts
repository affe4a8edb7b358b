import fc from 'fast-check'
import { type BodySketch, bodies, bodyText } from './bodies.ts'
import { bytesOf, textOf } from './draft.ts'
import { type FieldSketch, fieldOf, lineOf, responseFields, SIMPLEST_FIRST } from './fields.ts'
import { firstTries } from './first-try.ts'
import { cut } from './pieces.ts'
import { type FirstTry, type PlannedExchange, type PlannedTunnel, RESPONSE_ID_FIELD, type TunnelEnd } from './plan.ts'
import { planRequest, type RequestSketch, requests } from './requests.ts'

/** A request for another protocol to which the server agrees, and the bytes in that protocol. */
export interface TunnelSketch {
  readonly request: RequestSketch
  readonly protocol: string
  /** Fields of the 101. */
  readonly fields: readonly FieldSketch[]
  readonly isHinted: boolean
  readonly toServer: BodySketch
  readonly toClient: BodySketch
  /** Number of bytes that the client sends before the 101. */
  readonly early: number
  readonly clientCuts: readonly number[]
  readonly serverCuts: readonly number[]
  readonly end: TunnelEnd
  readonly firstTry: FirstTry | null
}

const ends = fc.record({
  by: fc.constantFrom<TunnelEnd['by'][]>('client', 'server'),
  how: fc.constantFrom<TunnelEnd['how'][]>('fin', 'fin', 'reset'),
})
const cuts = fc.array(fc.nat(200_000), { maxLength: 8 })

export const tunnels: fc.Arbitrary<TunnelSketch | null> = fc.oneof(
  SIMPLEST_FIRST,
  { weight: 5, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: fc.record({
      request: requests,
      protocol: fc.constantFrom('chat', 'websocket', 'x/1.0'),
      fields: responseFields,
      isHinted: fc.boolean(),
      toServer: bodies,
      toClient: bodies,
      early: fc.oneof(fc.constant(0), fc.nat(100_000)),
      clientCuts: cuts,
      serverCuts: cuts,
      end: ends,
      firstTry: firstTries,
    }),
  },
)

/** Plans the exchange that opens the tunnel, and the tunnel. */
export function planTunnel(
  sketch: TunnelSketch,
  id: string,
  host: string,
): Omit<PlannedExchange, 'firstTry' | 'tries' | 'seen'> {
  const { protocol, end, clientCuts, serverCuts } = sketch
  const toServer = bytesOf(bodyText(sketch.toServer, id, host))
  const toClient = bytesOf(bodyText(sketch.toClient, id, host))
  const early = sketch.early % (toServer.length + 1)
  const request = planRequest(askingFor(protocol, sketch.request), id, host)
  const lines = ['Connection: Upgrade', ...sketch.fields.map(lineOf), `${RESPONSE_ID_FIELD}: ${id}`]
  const hint = sketch.isHinted ? 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' : ''
  const switching = textOf({ start: 'HTTP/1.1 101 Switching', lines: [...lines, `Upgrade: ${protocol}`], payload: '' })
  const tunnel: PlannedTunnel = { toServer, toClient, later: cut(toServer.subarray(early), clientCuts), end }
  return {
    id,
    request: {
      ...request,
      pieces: early === 0 ? request.pieces : [...request.pieces, ...cut(toServer.subarray(0, early), clientCuts)],
      upgrades: true,
      closes: true,
    },
    response: {
      // A reset may overtake the 101, and everything behind it.
      fate: end.by === 'server' && end.how === 'reset' ? 'whole or bad' : 'whole',
      pieces: cut(Buffer.concat([bytesOf(hint + switching), toClient]), serverCuts),
      ending: 'keep',
      early: false,
      continues: false,
      status: 101,
      fields: [...sketch.fields.map(fieldOf), [RESPONSE_ID_FIELD, id]],
      body: Buffer.alloc(0),
      trailers: [],
      interim: sketch.isHinted ? [103] : [],
    },
    faults: [],
    tunnel,
  }
}

/** Returns the request without mistakes and without Max-Forwards. */
function askingFor(protocol: string, request: RequestSketch): RequestSketch {
  return {
    ...request,
    method: request.method === 'OPTIONS' ? 'GET' : request.method,
    version: '1.1',
    persistence: 'unsaid',
    hop: ['Connection: Upgrade', `Upgrade: ${protocol}`],
    expectation: null,
    fault: null,
    damage: null,
  }
}
