import { Failed } from './failed.ts'

/** The head of an answer, as far as it matters here. */
export interface Head {
  readonly status: number
  /** By names in lower case. */
  readonly fields: ReadonlyMap<string, string>
  readonly isChunked: boolean
  /** null = not said. */
  readonly length: number | null
  /** The connection takes no further request. */
  readonly closes: boolean
}

/** Reads a head without its empty line. Throws a `Failed` for anything that a proxy should not send. */
export function parseHead(text: string): Head {
  const [start = '', ...lines] = text.split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(`${start} `)?.[1])
  if (!(status >= 100)) throw new Failed('malformed', start.slice(0, 60))
  const fields = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon < 1) throw new Failed('malformed', line.slice(0, 60))
    const name = line.slice(0, colon).toLowerCase()
    if (name === 'content-length' && fields.has(name)) throw new Failed('malformed', 'two lengths')
    fields.set(name, line.slice(colon + 1).trim())
  }
  const length = fields.get('content-length')
  const isChunked = fields.get('transfer-encoding') === 'chunked'
  if (length !== undefined && (isChunked || !/^\d+$/.test(length))) throw new Failed('malformed', `length ${length}`)
  return {
    status,
    fields,
    isChunked,
    length: length === undefined ? null : Number(length),
    closes: fields.get('connection')?.toLowerCase() === 'close',
  }
}
