import type { InboundOptions } from '../http1/inbound-handler.ts'
import type { InboundOptions2 } from '../http2/inbound-options.ts'
import type { DataPlaneSettings } from './context.ts'
import { DEADLINES, NAMES } from './wire.ts'

const NO_LIMIT = 2 ** 31 - 1
/** Length of a request line without its target: the longest method, two spaces, the version and the line end. */
const AROUND_TARGET = 32 + 12
/** Length of the empty line after the fields. */
const EMPTY_LINE = 2
/** Idle connections stay open longer than the client is told, for requests already on their way; at most this. */
const MAX_BUFFER_MS = 1_000

/** Returns the options of client connections that speak HTTP/1.1. */
export function inboundOptions({ limits, timeouts }: DataPlaneSettings): InboundOptions {
  const { keepAliveMs } = timeouts
  const seconds = Math.floor(keepAliveMs / 1_000)
  return {
    names: NAMES,
    deadlines: DEADLINES,
    limits: {
      startLineBytes: limits.urlBytes === 0 ? NO_LIMIT : limits.urlBytes + AROUND_TARGET,
      fieldBytes: limits.headerBytes === 0 ? NO_LIMIT : limits.headerBytes + EMPTY_LINE,
    },
    timeouts: {
      headMs: timeouts.headerMs,
      requestMs: timeouts.requestMs,
      keepAliveMs: keepAliveMs === 0 ? 0 : keepAliveMs + Math.min(MAX_BUFFER_MS, Math.floor(keepAliveMs / 10)),
      idleBodyMs: timeouts.idleBodyMs,
    },
    keepAliveLine: seconds === 0 ? '' : `Keep-Alive: timeout=${seconds}\r\n`,
  }
}

/** Returns the options of client connections that speak HTTP/2. */
export function inboundOptions2(settings: DataPlaneSettings): InboundOptions2 {
  const { names, deadlines, limits, timeouts } = inboundOptions(settings)
  return { names, deadlines, limits: { ...limits, streams: settings.limits.streams }, timeouts }
}
