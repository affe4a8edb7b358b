import { BINARY_SIGNATURE, parseBinary } from './binary.ts'
import type { Reading } from './header.ts'
import { INCOMPLETE, invalid } from './header.ts'
import { parseText, TEXT_SIGNATURE } from './text.ts'

/**
 * Reads the PROXY header, version 1 or 2, at the beginning of `bytes`: all that has come so far. To be called again with
 * more while it is incomplete; the same bytes give the same result however they come. Never throws.
 * Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */
export function parseProxyHeader(bytes: Buffer): Reading {
  if (bytes.length === 0) return INCOMPLETE
  const isBinary = bytes[0] === BINARY_SIGNATURE[0]
  const signature = isBinary ? BINARY_SIGNATURE : TEXT_SIGNATURE
  const count = Math.min(bytes.length, signature.length)
  if (bytes.compare(signature, 0, count, 0, count) !== 0) return invalid('no PROXY header')
  if (bytes.length <= signature.length) return INCOMPLETE
  return isBinary ? parseBinary(bytes) : parseText(bytes)
}
