export type Field = readonly [name: string, value: string]

/** A message that is read as strictly as RFC 9112 writes it, and how far it has got. Text is latin1 throughout. */
export interface Message {
  readonly startLine: string
  readonly fields: readonly Field[]
  /** Fields behind the last chunk. */
  readonly trailers: readonly Field[]
  readonly framing: Framing
  /** What there is of it so far. */
  readonly body: Buffer
  /** Bytes it takes on the wire; null = it is not at its end. */
  readonly length: number | null
}

export type Framing = 'none' | 'length' | 'chunked' | 'close'

/** Bytes that nobody should have sent. */
export class Nonsense extends Error {}

const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = Buffer.from('\r\n')
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP\/1\.[01]$/
const STATUS_LINE = /^HTTP\/1\.[01] [1-9]\d\d [\t\x20-\x7e\x80-\xff]*$/
const CHUNK_LINE = /^[0-9A-Fa-f]+(?:;[\t\x20-\x7e\x80-\xff]*)?$/

/** Reads a request; null = its head is not whole. Throws on anything that is not as it should be. */
export function readRequest(bytes: Buffer): Message | null {
  const head = readHead(bytes, REQUEST_LINE)
  if (head === null) return null
  if (valuesOf(head.fields, 'host').length !== 1) throw new Nonsense(`not one Host in ${show(head.startLine)}`)
  return readBody(bytes, head, framingOf(head.fields) ?? 'none', false)
}

/** Reads a response to a request of this method. `ended`: no more bytes will come. */
export function readResponse(bytes: Buffer, method: string, ended: boolean): Message | null {
  const head = readHead(bytes, STATUS_LINE)
  if (head === null) return null
  const status = statusOf(head)
  const framing = framingOf(head.fields)
  if ((status < 200 || status === 204) && framing !== null) throw new Nonsense(`framing in a ${status}`)
  const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304
  return readBody(bytes, head, bodiless ? 'none' : (framing ?? 'close'), ended)
}

export function statusOf({ startLine }: Pick<Message, 'startLine'>): number {
  return Number(startLine.slice(9, 12))
}

/** Every value of a field, in order. */
export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value)
}

/** Bytes or text as they can be read, and pasted; the middle of what is long left out. */
export function show(bytes: Buffer | string, most = 400): string {
  const text = typeof bytes === 'string' ? bytes : bytes.toString('latin1')
  if (text.length <= most) return JSON.stringify(text)
  const part = most >> 1
  const [begin, end] = [JSON.stringify(text.slice(0, part)), JSON.stringify(text.slice(-part))]
  return `${begin} … ${text.length - 2 * part} bytes … ${end}`
}

interface Head {
  readonly startLine: string
  readonly fields: readonly Field[]
  readonly length: number
}

function readHead(bytes: Buffer, startLine: RegExp): Head | null {
  const end = bytes.indexOf(HEAD_END)
  if (end === -1) return null
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  if (!startLine.test(first)) throw new Nonsense(`a start line ${show(first)}`)
  return { startLine: first, fields: lines.map(readField), length: end + HEAD_END.length }
}

function readField(line: string): Field {
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(0, colon))
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  if (!TOKEN.test(name) || !VALUE.test(value)) throw new Nonsense(`a field line ${show(line)}`)
  return [name, value]
}

function framingOf(fields: readonly Field[]): 'length' | 'chunked' | null {
  const lengths = valuesOf(fields, 'content-length')
  const codings = valuesOf(fields, 'transfer-encoding')
  if (lengths.length + codings.length > 1) throw new Nonsense('more than one framing')
  if (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0] ?? ''))
    throw new Nonsense(`a length ${show(lengths[0] ?? '')}`)
  if (codings.length === 1 && codings[0]?.toLowerCase() !== 'chunked')
    throw new Nonsense(`a coding ${show(codings[0] ?? '')}`)
  return codings.length === 1 ? 'chunked' : lengths.length === 1 ? 'length' : null
}

function readBody(bytes: Buffer, head: Head, framing: Framing, ended: boolean): Message {
  const message = { startLine: head.startLine, fields: head.fields, trailers: [], framing }
  const rest = bytes.subarray(head.length)
  switch (framing) {
    case 'none':
      return { ...message, body: rest.subarray(0, 0), length: head.length }
    case 'length': {
      const length = Number(valuesOf(head.fields, 'content-length')[0])
      return { ...message, body: rest.subarray(0, length), length: rest.length < length ? null : head.length + length }
    }
    case 'close':
      return { ...message, body: rest, length: ended ? bytes.length : null }
    case 'chunked': {
      const { body, trailers, length } = readChunks(rest)
      return { ...message, body, trailers, length: length === null ? null : head.length + length }
    }
  }
}

function readChunks(bytes: Buffer): Pick<Message, 'body' | 'trailers' | 'length'> {
  const parts: Buffer[] = []
  const soFar = () => ({ body: Buffer.concat(parts), trailers: [], length: null })
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf(LINE_END, at)
    if (lineEnd === -1) return soFar()
    const line = bytes.toString('latin1', at, lineEnd)
    if (!CHUNK_LINE.test(line)) throw new Nonsense(`a chunk's first line ${show(line)}`)
    const size = Number.parseInt(line, 16)
    at = lineEnd + LINE_END.length
    if (size === 0) return { body: Buffer.concat(parts), ...readTrailers(bytes, at) }
    parts.push(bytes.subarray(at, at + size))
    at += size
    const end = bytes.subarray(at, at + LINE_END.length)
    if (!LINE_END.subarray(0, end.length).equals(end)) throw new Nonsense(`a chunk that ends with ${show(end)}`)
    at += LINE_END.length
  }
}

function readTrailers(bytes: Buffer, at: number): Pick<Message, 'trailers' | 'length'> {
  if (bytes.subarray(at, at + LINE_END.length).equals(LINE_END)) return { trailers: [], length: at + LINE_END.length }
  const end = bytes.indexOf(HEAD_END, at)
  if (end === -1) return { trailers: [], length: null }
  const trailers = bytes.toString('latin1', at, end).split('\r\n').map(readField)
  return { trailers, length: end + HEAD_END.length }
}
