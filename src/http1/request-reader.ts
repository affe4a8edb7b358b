import { METHODS } from 'node:http'
import { CR, LF, SLASH, SP, TARGET, TOKEN } from './bytes.ts'
import type { FieldNames } from './field-names.ts'
import { type HeadLimits, HeadReader } from './head-reader.ts'
import {
  BAD_LINE_END,
  BAD_START_LINE,
  BAD_TARGET,
  BAD_VERSION,
  type MessageRefusal,
  NO_TARGET,
  NOT_HTTP,
  TARGET_TOO_LONG,
  UNKNOWN_METHOD,
} from './refusal.ts'

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)
const MAX_METHOD_BYTES = 32
/** Prefix of the version; the minor version follows. */
const VERSION = Buffer.from('HTTP/1.', 'latin1')
const ABSOLUTE = /^https?:\/\/[A-Za-z0-9.:[\]_~%!$&'()*+,;=-]+(?:[/?#]|$)/i
const AUTHORITY = /^[A-Za-z0-9.:[\]_-]+:\d{1,5}$/
const ZERO = 0x30
const ONE = 0x31
/** Max number of empty lines skipped before a request (RFC 9112 §2.2). */
const MAX_EMPTY_LINES = 4

type State = 'empty' | 'emptyLf' | 'method' | 'target' | 'version' | 'minor' | 'cr' | 'lf'

/** Reads the heads of requests. RFC 9112 §3. */
export class RequestReader extends HeadReader {
  method = ''
  target = ''
  /** Minor version: 0 or 1. */
  minor = 0
  protected override readonly startLineTooLong: MessageRefusal = TARGET_TOO_LONG
  private state: State = 'empty'
  private emptyLines = 0
  private methodStart = 0
  private methodEnd = 0
  private targetEnd = 0
  private versionBytes = 0

  constructor(names: FieldNames, limits: HeadLimits) {
    super(names, limits)
    this.begin()
  }

  override get hasBegun(): boolean {
    return super.hasBegun && this.state !== 'empty' && this.state !== 'emptyLf'
  }

  protected override beginStartLine(): void {
    this.state = 'empty'
    this.emptyLines = 0
    this.versionBytes = 0
    this.method = ''
    this.target = ''
    this.methodEnd = 0
    this.targetEnd = 0
  }

  /** Keeps method and target as far as they are known. */
  protected override refused(bytes: Buffer, base: number, end: number): void {
    if (this.methodEnd === 0) return
    const start = base + this.methodEnd + 1
    this.target = bytes.toString('latin1', start, this.targetEnd === 0 ? end : base + this.targetEnd)
  }

  protected override readStartLine(bytes: Buffer, start: number, end: number, base: number): number {
    let at = start
    while (at < end) {
      switch (this.state) {
        case 'empty':
          this.methodStart = at - base
          this.state = 'method'
          if (bytes[at] !== CR) break
          if (this.emptyLines++ === MAX_EMPTY_LINES) return this.refuse(at, NOT_HTTP)
          this.state = 'emptyLf'
          at++
          break
        case 'emptyLf':
          if (bytes[at] !== LF) return this.refuse(at, NOT_HTTP)
          this.state = 'empty'
          at++
          break
        case 'method':
          while (at < end && TOKEN[bytes[at] as number] === 1) at++
          if (at - base - this.methodStart > MAX_METHOD_BYTES) return this.refuse(at, NOT_HTTP)
          if (at === end) break
          if (bytes[at] !== SP || at === base + this.methodStart) return this.refuse(at, NOT_HTTP)
          this.methodEnd = at - base
          this.method = bytes.toString('latin1', base + this.methodStart, at)
          this.state = 'target'
          at++
          break
        case 'target':
          while (at < end && TARGET[bytes[at] as number] === 1) at++
          if (at === end) break
          if (at === base + this.methodEnd + 1) return this.refuse(at, BAD_START_LINE)
          if (bytes[at] !== SP) return this.refuse(at, targetProblem(bytes[at] as number))
          this.targetEnd = at - base
          this.state = 'version'
          at++
          break
        case 'version':
          while (at < end && this.versionBytes < VERSION.length) {
            if (bytes[at] !== VERSION[this.versionBytes]) return this.refuse(at, BAD_VERSION)
            this.versionBytes++
            at++
          }
          if (this.versionBytes === VERSION.length) this.state = 'minor'
          break
        case 'minor': {
          const digit = bytes[at] as number
          if (digit !== ZERO && digit !== ONE) return this.refuse(at, BAD_VERSION)
          this.minor = digit - ZERO
          this.state = 'cr'
          at++
          break
        }
        case 'cr':
          if (bytes[at] !== CR) return this.refuse(at, bytes[at] === LF ? BAD_LINE_END : BAD_VERSION)
          this.state = 'lf'
          at++
          break
        case 'lf':
          if (bytes[at] !== LF) return this.refuse(at, BAD_LINE_END)
          if (!KNOWN_METHODS.has(this.method)) return this.refuse(at, UNKNOWN_METHOD)
          this.endStartLine()
          return at + 1
      }
    }
    return at
  }

  protected override finish(text: string): void {
    this.target = text.slice(this.methodEnd + 1, this.targetEnd)
    if (this.target.charCodeAt(0) !== SLASH && !hasForm(this.method, this.target)) this.refusal = NO_TARGET
  }
}

/** Whether a target that is not a path has one of the other forms of RFC 9112 §3.2. */
function hasForm(method: string, target: string): boolean {
  if (method === 'CONNECT') return AUTHORITY.test(target)
  return (method === 'OPTIONS' && target === '*') || ABSOLUTE.test(target)
}

function targetProblem(byte: number): MessageRefusal {
  // A request line without a version is HTTP/0.9.
  if (byte === CR || byte === LF) return BAD_VERSION
  return BAD_TARGET
}
