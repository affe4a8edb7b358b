import { BINARY_SIGNATURE, parseBinary } from './binary.ts'
import type { Reading } from './header.ts'
import { INCOMPLETE, invalid } from './header.ts'
import { parseText, TEXT_SIGNATURE } from './text.ts'

/**
 * Parses the PROXY header, version 1 or 2, at the beginning of `bytes`, which are all bytes received so far. Call it
 * again with more bytes while it is incomplete; the result does not depend on how the bytes are split. Never throws.
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
