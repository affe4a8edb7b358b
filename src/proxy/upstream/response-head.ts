/** Lower-case names of response fields that end here. `content-length` passes: the body's length is the server's. */
const RESPONSE_DROP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** The response fields for the client, name and value in turn. `headers`: lower-case names, as undici gives them. */
export function responseFields(headers: Readonly<Record<string, string | string[] | undefined>>): string[] {
  const fields: string[] = []
  const named = headers.connection
  const dropped = named === undefined || named === 'keep-alive' || named === 'close' ? null : namedFields(named)
  for (const name in headers) {
    if (RESPONSE_DROP.has(name) || dropped?.has(name)) continue
    const value = headers[name]
    if (typeof value === 'string') fields.push(name, value)
    else if (value !== undefined) for (const each of value) fields.push(name, each)
  }
  return fields
}

/** Whether a response's body is coded in a way that is not undone here, and so must not be passed on as if it were not. */
export function hasUnknownCoding(headers: Readonly<Record<string, string | string[] | undefined>>): boolean {
  const coding = headers['transfer-encoding']
  return coding !== undefined && coding !== 'chunked' && String(coding).toLowerCase() !== 'chunked'
}

function namedFields(connection: string | string[]): Set<string> {
  const names = new Set(
    String(connection)
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  )
  names.delete('content-length')
  return names
}
