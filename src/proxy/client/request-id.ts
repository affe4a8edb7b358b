import { randomBytes } from 'node:crypto'

/** Tells this process from all others, ever. */
const PROCESS = randomBytes(9).toString('base64url')

let count = 0

/** An id for a request: unique, short, and far cheaper than a random one each time. */
export function newRequestId(): string {
  count++
  return `${PROCESS}-${count.toString(36)}`
}
