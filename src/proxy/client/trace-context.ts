import { randomBytes } from 'node:crypto'

/** Source: W3C Trace Context §3.2.2. All zeros are no ids; version ff is none. */
const RECEIVED = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/
const VERSION_00_LENGTH = 55

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
/** The first half of the ids of all traces that begin here; the second half is random, as level 2 asks for. */
const PROCESS = randomBytes(8).toString('hex')

/** Whether `received` is a valid traceparent to continue. */
export function isTraceparent(received: string): boolean {
  return RECEIVED.test(received) && (received.length === VERSION_00_LENGTH || !received.startsWith('00'))
}

/** Returns the traceparent for the server: a new parent in the trace of `received`, which must be valid. */
export function continuedTrace(received: string): string {
  return `00-${received.slice(3, 35)}-${id()}-${received.slice(53, 55)}`
}

/** Returns the traceparent of a new trace. `sampled`: tells tracing systems to record it. */
export function newTrace(sampled: boolean): string {
  return `00-${PROCESS}${id()}-${id()}-${sampled ? '01' : '00'}`
}

/** The id of the trace, 32 hexadecimal digits. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35)
}

/** 64 random bits in hexadecimal. They must be unique and cheap, not hard to guess. */
function id(): string {
  return word() + word()
}

function word(): string {
  const bits = (Math.random() * 0x1_0000_0000) >>> 0
  return `${HEX[bits >>> 24]}${HEX[(bits >>> 16) & 255]}${HEX[(bits >>> 8) & 255]}${HEX[bits & 255]}`
}
