import { createHmac } from 'node:crypto'

const PREFIX = 'whsec_'

/**
 * Signs a message as Standard Webhooks says: `v1,` and the HMAC-SHA256 of `ID.TIMESTAMP.BODY` in base64. `timestamp`:
 * seconds since the epoch. `secret`: `whsec_` and the key in base64, or the key as text.
 */
export function signature(secret: string, id: string, timestamp: number, body: string): string {
  const key = secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret)
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}
