import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { expect } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { Handler, Upstream } from '../support/upstream.ts'
import { define, pool, upstream } from './support.ts'

/** Figures of a mirror that are not 0, such as `{'dropped in_flight': 3}`. */
export type MirrorFigures = Readonly<Record<string, number>>

export interface Mirrored {
  /** Of the service. */
  readonly name: string
  readonly cutover: Cutover
  readonly blue: Upstream
  readonly green: Upstream
  figures(): Promise<MirrorFigures>
  /** Waits until the figures of the mirror are these. */
  counts(expected: MirrorFigures): Promise<void>
}

export interface MirroredOptions {
  readonly mirror?: object
  readonly blue?: Handler
  readonly green?: Handler
  readonly service?: object
}

/** Each service has figures of its own by its name. */
let services = 0

/** A service with all traffic on blue, whose requests are copied to green. */
export async function mirrored({ mirror, service, ...handlers }: MirroredOptions = {}): Promise<Mirrored> {
  const blue = await upstream('blue1', handlers.blue)
  const green = await upstream('green1', handlers.green)
  const name = `mirrored-${services++}`
  const pools = { blue: pool(blue), green: pool(green) }
  const cutover = await define(name, { pools, split: { blue: 100 }, mirror: { to: 'green', ...mirror }, ...service })
  return { name, cutover, blue, green, ...figuresOf(cutover, name) }
}

/** The figures of the mirror of a service. */
export function figuresOf(cutover: Cutover, name: string): Pick<Mirrored, 'figures' | 'counts'> {
  const figures = async (): Promise<MirrorFigures> => {
    const { body } = await cutover.api('GET', '/metrics')
    const lines: readonly string[] = body.split('\n')
    const found = lines.flatMap((line) => {
      const [, kind, service, label, value] =
        /^cutover_mirror(?:_|ed_)(\w+)_total\{service="([^"]+)"(?:,\w+="([^"]+)")?\} (\d+)$/.exec(line) ?? []
      return service === name ? [[`${kind}${label === undefined ? '' : ` ${label}`}`, Number(value)] as const] : []
    })
    return Object.fromEntries(found)
  }
  return { figures, counts: (expected) => expect.poll(figures, { timeout: 15_000, interval: 20 }).toEqual(expected) }
}

/** A handler that answers with a status, once the request has come whole. */
export const answering =
  (status: (request: IncomingMessage) => number): Handler =>
  async (request, response) => {
    await buffer(request).catch(() => undefined)
    response.writeHead(status(request)).end('x')
  }

/** A handler that keeps the bytes of the bodies, in the order of their ends. */
export function keepingBodies(): { handler: Handler; bodies: Buffer[] } {
  const bodies: Buffer[] = []
  const handler: Handler = async (request, response) => {
    try {
      bodies.push(await buffer(request))
    } catch {
      return // The client broke off; there is nobody to answer.
    }
    response.end('x')
  }
  return { handler, bodies }
}
