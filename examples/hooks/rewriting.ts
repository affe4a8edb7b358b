import type { Hooks } from 'cutover'

/** Old paths and their new ones. */
const MOVED: Readonly<Record<string, string>> = { '/shop.php': '/shop', '/kontakt': '/contact' }

/** Redirects what has moved, rewrites `/users/7` for a server that knows `/api/v2/user?id=7`, and cleans the answers. */
export default {
  request(r) {
    const moved = MOVED[r.path]
    if (moved !== undefined) return { status: 308, headers: { Location: moved } }
    const [, id] = /^\/users\/(\d+)$/.exec(r.path) ?? []
    if (id !== undefined) r.setPath(`/api/v2/user?id=${id}`)
    return undefined
  },
  response(_r, h) {
    h.remove('X-Powered-By')
    // The server does not know the name and the scheme by which its clients reach it.
    const location = h.get('Location')
    if (location?.startsWith('http://app.internal/')) h.set('Location', location.slice('http://app.internal'.length))
  },
} satisfies Hooks
