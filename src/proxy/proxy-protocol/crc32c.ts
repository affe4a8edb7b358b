/** Castagnoli's polynomial, its bits in reverse. */
const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1
  return rest
})

/**
 * CRC32c, an unsigned number of 32 bits; `before` is that of the bytes in front of these. It is not the CRC-32 that zlib
 * has. Source: RFC 9260 Appendix A.
 */
export function crc32c(bytes: Buffer, before = 0): number {
  let sum = ~before
  for (const byte of bytes) sum = (TABLE[(sum ^ byte) & 0xff] as number) ^ (sum >>> 8)
  return ~sum >>> 0
}
