import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Deadlines } from '../../src/http1/deadlines.ts'
import { FieldNames } from '../../src/http1/field-names.ts'
import type { CallHandler } from '../../src/http1/outbound-call.ts'
import { type Opener, OutboundPool } from '../../src/http1/outbound-pool.ts'

const ending: (() => unknown)[] = []

/** Ends whatever was started here or added by `endWithAll`. */
export async function endAll(): Promise<void> {
  for (const end of ending.splice(0)) await end()
}

/** Ends something with the rest. */
export function endWithAll(end: () => unknown): void {
  ending.push(end)
}

/** Two ends of a connection. `far` was accepted, and is paused. */
export async function pair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
  const [far] = (await once(server, 'connection')) as [Socket]
  endWithAll(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return { near, far }
}

/** A pool of connections that `opener` opens. */
export function poolOf(opener: Opener): OutboundPool {
  const pool = new OutboundPool(opener, {
    names: new FieldNames(),
    limits: { startLineBytes: 8_192, fieldBytes: 8_192 },
    deadlines: new Deadlines(),
    connectMs: 5_000,
    keepAliveMs: 4_000,
    connectTimeout: () => new Error('too late'),
  })
  endWithAll(() => pool.close())
  return pool
}

/** A handler that does nothing, except for what is given. */
export function handlerOf(given: Partial<CallHandler>): CallHandler {
  const nothing = () => undefined
  return {
    onSent: nothing,
    onServerReady: nothing,
    onInterim: nothing,
    onResponse: nothing,
    onResponseBody: nothing,
    onRead: nothing,
    onResponseEnd: nothing,
    onUpgrade: nothing,
    onFailed: nothing,
    ...given,
  }
}
