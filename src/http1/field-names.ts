/** Numbers of the field names that the protocol itself uses. 0 = any unknown name. */
export const UNKNOWN = 0
/** Number of an unknown name that a server which reads `_` as `-` would take for a known one. */
export const ALIAS = 31
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
/** Number of the first of the other names of a `FieldNames`. */
export const FIRST_OTHER = WIRE_NAMES.length + 1
/** Max number of names: `Fields` keeps one bit for each in a 32-bit integer, and one for `UNKNOWN` and `ALIAS`. */
const MAX_NAMES = 30

const UNDERSCORE = 0x5f
const HYPHEN = 0x2d
/** The bit in which a letter differs from itself in the other case. */
const CASE = 0x20

interface Name {
  readonly number: number
  readonly bytes: Uint8Array
}

/** Maps the field names of interest to numbers, so that no other name ever becomes a string. */
export class FieldNames {
  /** Numbers by name. */
  private readonly numbers = new Map<string, number>()
  /** Names by length. */
  private readonly known: Name[][] = []

  /** `others`: lower-case names, numbered from `FIRST_OTHER` on. */
  constructor(others: readonly string[] = []) {
    const names = [...WIRE_NAMES, ...others]
    if (names.length > MAX_NAMES) throw new Error(`${names.length} names, more than ${MAX_NAMES}`)
    for (const [index, name] of names.entries()) {
      this.numbers.set(name, index + 1)
      this.known[name.length] ??= []
      this.known[name.length]?.push({ number: index + 1, bytes: Buffer.from(name, 'latin1') })
    }
  }

  /** Finds the number of the name in `bytes[start, end)`, ignoring case. The bytes must be those of a token. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const candidates = this.known[end - start]
    if (candidates === undefined) return UNKNOWN
    for (let i = 0; i < candidates.length; i++) {
      const { number, bytes: wanted } = candidates[i] as Name
      let at = 0
      // Setting this bit lower-cases letters, and maps no other byte of a token to a byte of a known name.
      while (at < wanted.length && ((bytes[start + at] as number) | CASE) === wanted[at]) at++
      if (at === wanted.length) return number
    }
    return UNKNOWN
  }

  /** Finds the number of a name in lower case. */
  numberOf(name: string): number {
    return this.numbers.get(name) ?? UNKNOWN
  }

  /** As `find`, with `_` read as `-`, as CGI and WSGI servers do. */
  findAlias(bytes: Uint8Array, start: number, end: number): number {
    const name = Uint8Array.prototype.slice.call(bytes, start, end)
    for (let i = 0; i < name.length; i++) if (name[i] === UNDERSCORE) name[i] = HYPHEN
    return this.find(name, 0, name.length)
  }
}
