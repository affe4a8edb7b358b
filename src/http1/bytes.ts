/** Bytes with a meaning in HTTP/1.1. */
export const HT = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const QUOTE = 0x22
export const SLASH = 0x2f
export const COLON = 0x3a
export const SEMICOLON = 0x3b
export const EQUALS = 0x3d
export const BACKSLASH = 0x5c

/** 1 for each byte allowed in a token, such as a method or a field name. Source: RFC 9110 §5.6.2. */
export const TOKEN = table((byte) => /[A-Za-z0-9!#$%&'*+.^_`|~-]/.test(String.fromCharCode(byte)))

/** 1 for each byte allowed in a field value, a reason phrase or a quoted string. Source: RFC 9110 §5.5. */
export const TEXT = table((byte) => byte === HT || (byte >= SP && byte !== 0x7f))

/** 1 for each byte allowed in a request target: visible ASCII. Clients must escape other bytes. */
export const TARGET = table((byte) => byte > SP && byte < 0x7f)

/** The value of each hexadecimal digit; -1 for any other byte. */
export const HEX = Int8Array.from({ length: 256 }, (_, byte) => {
  const digit = Number.parseInt(String.fromCharCode(byte), 16)
  return Number.isNaN(digit) ? -1 : digit
})

function table(belongs: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (belongs(byte) ? 1 : 0))
}
