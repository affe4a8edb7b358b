const SP = 0x20
const HT = 0x09

/**
 * Appends the fields of field lines to an array of names and values, as node:http2 takes them: names in lower case,
 * without the fields that concern one connection of HTTP/1.1 (RFC 9113 §8.2.2) and without `skipped`.
 */
export function appendFields(raw: string[], lines: string, skipped = ''): void {
  let at = 0
  while (at < lines.length) {
    const colon = lines.indexOf(':', at)
    const end = lines.indexOf('\r\n', colon)
    const name = lines.slice(at, colon).toLowerCase()
    if (!isOfConnection(name) && name !== skipped) raw.push(name, trimmed(lines, colon + 1, end))
    at = end + 2
  }
}

/** The value of the first field with this lower-case name in field lines; empty = there is none. */
export function fieldIn(lines: string, name: string): string {
  let at = 0
  while (at < lines.length) {
    const colon = lines.indexOf(':', at)
    const end = lines.indexOf('\r\n', colon)
    if (colon - at === name.length && lines.slice(at, colon).toLowerCase() === name)
      return trimmed(lines, colon + 1, end)
    at = end + 2
  }
  return ''
}

/** The fields as an object, for the functions of node:http2 that take no array. */
export function fieldObject(lines: string): Record<string, string | string[]> {
  const raw: string[] = []
  appendFields(raw, lines)
  const fields: Record<string, string | string[]> = {}
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [raw[i] as string, raw[i + 1] as string]
    const before = fields[name]
    if (before === undefined) fields[name] = value
    else if (typeof before === 'string') fields[name] = [before, value]
    else before.push(value)
  }
  return fields
}

function trimmed(lines: string, from: number, to: number): string {
  let [start, end] = [from, to]
  while (start < end && isSpace(lines.charCodeAt(start))) start++
  while (end > start && isSpace(lines.charCodeAt(end - 1))) end--
  return lines.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === SP || code === HT
}

function isOfConnection(name: string): boolean {
  switch (name) {
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
    case 'te':
    case 'http2-settings':
      return true
    default:
      return false
  }
}
