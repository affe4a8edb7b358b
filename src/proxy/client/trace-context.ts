import { randomBytes } from 'node:crypto'

/** Source: W3C Trace Context §3.2.2. All zeros are no ids; version ff is none. */
const RECEIVED = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/
const VERSION_00_LENGTH = 55
const LETTER_A = 0x61

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
/** The first half of the ids of all traces that begin here; the second half is random, as level 2 asks for. */
const PROCESS = randomBytes(8).toString('hex')

/** Whether `received` is a valid traceparent to continue. */
export function isTraceparent(received: string): boolean {
  return RECEIVED.test(received) && (received.length === VERSION_00_LENGTH || !received.startsWith('00'))
}

/** Returns the traceparent for the server: a new parent in the trace of `received`, which must be valid. */
export function continuedTrace(received: string): string {
  return `00-${received.slice(3, 35)}-${newSpanId()}-${received.slice(53, 55)}`
}

/**
 * Returns the traceparent of a new trace. `sample`: the share of traces that are marked as sampled, 0 to 1. The random
 * bits of its id decide, as OpenTelemetry's consistent sampling wants it (56 bits, at least the rejection threshold).
 */
export function newTrace(sample: number): string {
  const high = word()
  const low = word()
  const isSampled = sample > 0 && (high % 2 ** 24) + low / 2 ** 32 >= (1 - sample) * 2 ** 24
  return `00-${PROCESS}${hex(high)}${hex(low)}-${newSpanId()}-${isSampled ? '01' : '00'}`
}

/** The id of the trace, 32 hexadecimal digits; empty for no traceparent. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35)
}

/** The id of the span that is the parent. */
export function spanIdOf(traceparent: string): string {
  return traceparent.slice(36, 52)
}

export function withSpanId(traceparent: string, spanId: string): string {
  return `${traceparent.slice(0, 36)}${spanId}${traceparent.slice(52)}`
}

/** Whether the trace is recorded: the lowest bit of the flags. */
export function isSampled(traceparent: string): boolean {
  // The code of a hexadecimal digit is odd where the digit is, from 0 to 9; for letters it is the other way round.
  const code = traceparent.charCodeAt(54)
  return (code < LETTER_A ? code : code + 1) % 2 === 1
}

/** 64 random bits in hexadecimal. They must be unique and cheap, not hard to guess. */
export function newSpanId(): string {
  return hex(word()) + hex(word())
}

/** 32 random bits. */
function word(): number {
  return (Math.random() * 0x1_0000_0000) >>> 0
}

function hex(bits: number): string {
  return `${HEX[bits >>> 24]}${HEX[(bits >>> 16) & 255]}${HEX[(bits >>> 8) & 255]}${HEX[bits & 255]}`
}
