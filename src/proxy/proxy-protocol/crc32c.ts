/** Castagnoli's polynomial, bit-reversed. */
const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1
  return rest
})

/**
 * Computes CRC32c as an unsigned 32-bit number. `before`: the checksum of the bytes before these. Differs from the
 * CRC-32 of zlib. Source: RFC 9260 Appendix A.
 */
export function crc32c(bytes: Buffer, before = 0): number {
  let sum = ~before
  for (const byte of bytes) sum = (TABLE[(sum ^ byte) & 0xff] as number) ^ (sum >>> 8)
  return ~sum >>> 0
}
