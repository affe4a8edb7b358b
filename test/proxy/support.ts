import type net from 'node:net'
import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { RawConnection, type RawMessage } from '../support/raw-client.ts'
import { type Handler, type Listening, startRawUpstream, startUpstream, type Upstream } from '../support/upstream.ts'

const ending: (() => unknown)[] = []

/** Ends whatever was started here. */
export async function endAll(): Promise<void> {
  await Promise.all(ending.splice(0).map((end) => end()))
}

/** Ends something with the rest. */
export function endWithAll(end: () => unknown): void {
  ending.push(end)
}

export async function upstream(handler?: Handler, name?: string): Promise<Upstream> {
  const server = await startUpstream(handler, name === undefined ? {} : { name })
  ending.push(() => server.close())
  return server
}

export async function rawUpstream(onConnection: (connection: RawConnection, socket: net.Socket) => unknown) {
  const server = await startRawUpstream((socket) => onConnection(new RawConnection(socket), socket))
  ending.push(() => server.close())
  return server
}

/**
 * A server that answers by hand: `answer` gets every request, whole, and returns the bytes to say to it, or says what it
 * wants itself. Requests are kept in `requests`.
 */
export async function speaking(
  answer: (request: RawMessage, connection: RawConnection) => string | Buffer | undefined,
): Promise<{ server: Listening; port: number; requests: RawMessage[] }> {
  const requests: RawMessage[] = []
  const server = await rawUpstream(async (connection) => {
    for (;;) {
      const request = await connection.request().catch(() => null)
      if (request === null) return
      requests.push(request)
      const said = answer(request, connection)
      if (said !== undefined) connection.send(said)
    }
  })
  return { server, port: server.port, requests }
}

/** The `services` section: each under `NAME.test`, unchecked, with one pool `main` of servers `a`, `b`, … */
export function services(sketches: Readonly<Record<string, Sketch>>): object {
  return Object.fromEntries(
    Object.entries(sketches).map(([name, { servers, ...more }]) => {
      const named = servers.map(({ port }, i) => [String.fromCharCode(97 + i), `http://127.0.0.1:${port}`])
      const pools = { main: { version: '1.0', servers: Object.fromEntries(named) } }
      return [name, { hosts: [`${name}.test`], health: 'off', balance: 'roundRobin', pools, ...more }]
    }),
  )
}

export interface Sketch {
  readonly servers: readonly { readonly port: number }[]
  readonly [key: string]: unknown
}

export async function startCutover(
  sketches: Readonly<Record<string, Sketch>>,
  more: Omit<CutoverOptions, 'services'> = {},
): Promise<Cutover> {
  const cutover = await Cutover.start({ services: services(sketches), ...more })
  ending.push(() => cutover.stop('SIGKILL'))
  return cutover
}

/** A client's connection to the proxy. */
export async function connect(cutover: Cutover): Promise<RawConnection> {
  const connection = await RawConnection.connect(cutover.proxy)
  ending.push(() => connection.destroy())
  return connection
}

/** Sends one request on a connection of its own and reads the response. */
export async function ask(cutover: Cutover, lines: readonly string[], body: string | Buffer = ''): Promise<RawMessage> {
  const connection = await connect(cutover)
  const response = await connection.ask(lines, body)
  connection.destroy()
  return response
}

/** The access log's line for a request target, once it has been written. */
export async function logged(cutover: Cutover, target: string): Promise<Record<string, unknown>> {
  const quoted = JSON.stringify(target).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const [line] = await cutover.printed(new RegExp(`^\\{.*"target":${quoted}.*\\}\\n`, 'm'))
  return JSON.parse(line) as Record<string, unknown>
}

/** The sum of a metric's samples whose labels contain `labels`. */
export async function metric(cutover: Cutover, name: string, labels = ''): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return (body as string)
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
