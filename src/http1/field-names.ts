/** Names that the wire itself has a use for; each one's number is its index. 0 is any name that is not known. */
export const UNKNOWN = 0
export const HOST = 1
export const CONNECTION = 2
export const CONTENT_LENGTH = 3
export const TRANSFER_ENCODING = 4
export const UPGRADE = 5
export const EXPECT = 6
export const TRAILER = 7
export const TE = 8
export const KEEP_ALIVE = 9
export const PROXY_CONNECTION = 10

const WIRE_NAMES: readonly string[] = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'trailer',
  'te',
  'keep-alive',
  'proxy-connection',
]
/** The number of the first name that a table knows beside those of the wire. */
export const FIRST_OTHER = WIRE_NAMES.length + 1
/** Names are told apart in the bits of one number. */
const MAX_NAMES = 30

const UNDERSCORE = 0x5f
const HYPHEN = 0x2d
/** The bit in which a letter differs from itself in the other case. */
const CASE = 0x20

interface Name {
  readonly number: number
  readonly bytes: Uint8Array
}

/** Numbers the names of fields that are of interest, so that no other name ever becomes a string. */
export class FieldNames {
  /** By length. */
  private readonly known: Name[][] = []

  /** `others`: lower-case names, numbered from `FIRST_OTHER` on. */
  constructor(others: readonly string[] = []) {
    const names = [...WIRE_NAMES, ...others]
    if (names.length > MAX_NAMES) throw new Error(`${names.length} names, more than ${MAX_NAMES}`)
    for (const [index, name] of names.entries()) {
      this.known[name.length] ??= []
      this.known[name.length]?.push({ number: index + 1, bytes: Buffer.from(name, 'latin1') })
    }
  }

  /** The number of the name in `bytes[start, end)`, whatever its case; the bytes are those of a token. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const candidates = this.known[end - start]
    if (candidates === undefined) return UNKNOWN
    for (let i = 0; i < candidates.length; i++) {
      const { number, bytes: wanted } = candidates[i] as Name
      let at = 0
      // No two bytes of tokens that differ in this bit alone are the same but for letters.
      while (at < wanted.length && ((bytes[start + at] as number) | CASE) === wanted[at]) at++
      if (at === wanted.length) return number
    }
    return UNKNOWN
  }

  /** The same where `_` counts as `-`: as CGI and WSGI servers read names. */
  findAlias(bytes: Uint8Array, start: number, end: number): number {
    const name = Uint8Array.prototype.slice.call(bytes, start, end)
    for (let i = 0; i < name.length; i++) if (name[i] === UNDERSCORE) name[i] = HYPHEN
    return this.find(name, 0, name.length)
  }
}
