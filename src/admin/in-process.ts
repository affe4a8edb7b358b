import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { IN_PROCESS } from './auth.ts'

const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * Answers a request that comes from this process itself, without the network and without a token. Rejects like `fetch`
 * if `api` is null or closed.
 */
export async function ask(api: FastifyInstance | null, request: Request): Promise<Response> {
  if (api === null || !api.server.listening) throw notRunning()
  const { pathname, search } = new URL(request.url)
  const body = Buffer.from(await request.arrayBuffer())
  const answering = api.inject({
    method: request.method as 'GET',
    url: `${pathname}${search}`,
    headers: { ...Object.fromEntries(request.headers), host: 'localhost' },
    remoteAddress: IN_PROCESS,
    payloadAsStream: true,
    ...(body.length === 0 ? {} : { payload: body }),
  })
  // Not by the `signal` of `inject`, which throws an error that nobody can catch.
  const leave = () => void answering.then(({ raw }) => raw.res.destroy(), ignore)
  request.signal.addEventListener('abort', leave, { once: true })
  const answer = await Promise.race([answering, aborted(request.signal)])
  const headers = new Headers()
  for (const [name, value] of Object.entries(answer.headers))
    for (const each of [value].flat()) if (each !== undefined) headers.append(name, String(each))
  const stream = answer.stream()
  const hasBody = !WITHOUT_BODY.has(answer.statusCode) && request.method !== 'HEAD'
  if (!hasBody) stream.resume()
  const init = { status: answer.statusCode, statusText: answer.statusMessage, headers }
  return new Response(hasBody ? (Readable.toWeb(stream) as ReadableStream) : null, init)
}

function ignore(): void {}

/** Rejects with the reason once a signal is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** The failure of a connection that could not be made, as `fetch` reports it. */
function notRunning(): TypeError {
  const cause = Object.assign(new Error('this Cutover is not running'), { syscall: 'connect' })
  return new TypeError('fetch failed', { cause })
}
