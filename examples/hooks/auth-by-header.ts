import { createHash, timingSafeEqual } from 'node:crypto'
import type { Hooks } from 'cutover'

/** Who may come in: the SHA-256 of each token in hex, as `printf %s TOKEN | sha256sum` prints it. */
const USERS: Readonly<Record<string, string>> = {
  ann: '70b418541da77d413246ec0d700eebb8b23852493cfaa4ab4f39009cd68360f0', // secret-of-ann
}

function userOf(authorization: string | undefined): string | undefined {
  const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? ''
  const given = createHash('sha256').update(token).digest()
  return Object.keys(USERS).find((user) => timingSafeEqual(given, Buffer.from(USERS[user] ?? '', 'hex')))
}

/** Lets requests with a known token pass, and tells the server who it is. */
export default {
  request(r) {
    const user = userOf(r.header('authorization'))
    if (user === undefined)
      return { status: 401, headers: { 'WWW-Authenticate': 'Bearer' }, body: 'A token is needed.\n' }
    // Replaces what the client may have sent under this name.
    r.setHeader('X-User', user)
    r.tag('user', user)
    return undefined
  },
} satisfies Hooks
