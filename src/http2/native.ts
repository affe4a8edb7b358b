import type { Http2Session, Http2Stream } from 'node:http2'

/** The native object of a session or stream. */
export type Native = object

let property: symbol | undefined

/** Returns the native object; null = there is none, or none any more. */
export function nativeOf(owner: Http2Session | Http2Stream): Native | null {
  property ??= Object.getOwnPropertySymbols(owner).find(({ description }) => description === 'kHandle')
  return property === undefined ? null : ((owner as unknown as Record<symbol, Native | undefined>)[property] ?? null)
}

/** Holds each session until its stream was collected: what is held here is collected in a later round only. */
const sessions = new FinalizationRegistry<Native>(() => undefined)

/**
 * Has a session freed after a stream that was closed before all its output was sent.
 *
 * node:http2 leaves such a stream to the garbage collector, with the fields of a block whose end has not come. They are memory of
 * the session, and if the collector frees that first, the process aborts (node_http2.cc, `current_nghttp2_memory_ == 0`).
 */
export function freeAfter(session: Native | null, stream: Native | null): void {
  if (session !== null && stream !== null) sessions.register(stream, session)
}
