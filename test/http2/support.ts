import http2 from 'node:http2'
import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { Client2, type Handler2, startUpstream2, type Upstream2 } from '../support/http2.ts'
import { RawHttp2 } from '../support/raw-http2.ts'
import { until } from '../support/until.ts'
import { type Handler, startUpstream, type Upstream } from '../support/upstream.ts'

interface Listed {
  readonly url: string
}

/** What a test says of a service: its servers, and other keys of its definition. */
export interface Sketch {
  readonly servers: readonly Listed[]
  readonly [key: string]: unknown
}

/** The `services` section: each under `/NAME` as prefix that is stripped, unchecked, with a pool `main` of servers `a`, `b`, … */
export function servicesOf(sketches: Readonly<Record<string, Sketch>>): object {
  return Object.fromEntries(
    Object.entries(sketches).map(([name, { servers, ...more }]) => {
      const named = servers.map(({ url }, i) => [String.fromCharCode(97 + i), url])
      const pools = { main: { version: '1.0', servers: Object.fromEntries(named) } }
      return [name, { paths: [`/${name}`], stripPrefix: true, health: 'off', balance: 'roundRobin', pools, ...more }]
    }),
  )
}

/** Starts Cutover with a listener that takes HTTP/2 without TLS. */
export async function startHttp2(
  sketches: Readonly<Record<string, Sketch>>,
  { proxy, ...more }: Omit<CutoverOptions, 'services'> = {},
): Promise<Cutover> {
  const listen = [{ address: '127.0.0.1:0', h2c: true }]
  const cutover = await Cutover.start({ services: servicesOf(sketches), ...more, proxy: { listen, ...proxy } })
  atEnd(() => cutover.stop('SIGKILL'))
  return cutover
}

export async function client(cutover: Cutover, options: http2.ClientSessionOptions = {}): Promise<Client2> {
  const connection = await Client2.connect(cutover.proxy, options)
  atEnd(() => connection.close())
  return connection
}

export async function rawClient(cutover: Cutover, settings?: Buffer, allowHalfOpen = false): Promise<RawHttp2> {
  const raw = await RawHttp2.connect(cutover.proxy, settings, allowHalfOpen)
  atEnd(() => raw.destroy())
  return raw
}

export async function upstream(handler?: Handler, name?: string): Promise<Upstream> {
  const server = await startUpstream(handler, name === undefined ? {} : { name })
  atEnd(() => server.close())
  return server
}

export async function upstream2(
  handler?: Handler2,
  options: http2.ServerOptions & { readonly name?: string } = {},
): Promise<Upstream2> {
  const server = await startUpstream2(handler, options)
  atEnd(() => server.close())
  return server
}

/** Ends a stream of a server with a code, and nothing else: node:http2 alone would first end its output in good order. */
export function breakOff(stream: http2.ServerHttp2Stream, code: number = http2.constants.NGHTTP2_INTERNAL_ERROR): void {
  stream._final = (done) => done()
  stream.close(code)
}

/** The entry of the access log for a target, once it is there. */
export function logged(cutover: Cutover, target: string): Promise<Record<string, unknown>> {
  return until(() => cutover.accessLog().find((line) => line.target === target))
}
