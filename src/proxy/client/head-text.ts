import { STATUS_CODES } from 'node:http'

/** Returns the head of a response as sent on the wire. `fields`: name and value in turn. */
export function headText(
  status: number,
  fields: readonly string[],
  reason = STATUS_CODES[status] ?? 'Unknown',
): string {
  let text = `HTTP/1.1 ${status} ${reason}\r\n`
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
  return `${text}\r\n`
}
