import type { Hooks } from 'cutover'

/** Countries that are served by a pool of their own. */
const POOLS: Readonly<Record<string, string>> = { DE: 'eu', FR: 'eu', JP: 'asia' }

/** The country that the CDN in front has found; its address belongs into `proxy.trustedProxies`, and nobody else may reach this port. */
const COUNTRY = 'cf-ipcountry'

/** Sends clients to the pool of their country, tells the server, and logs it. */
export default {
  request(r) {
    const country = r.header(COUNTRY) ?? ''
    // Goes into a header field and the log, so take nothing else.
    r.setHeader('X-Country', /^[A-Z]{2}$/.test(country) ? country : 'XX')
    return undefined
  },
  choosePool(r, pools) {
    const pool = POOLS[r.header(COUNTRY) ?? '']
    return pools.some(({ name }) => name === pool) ? pool : undefined
  },
  log(r, fields) {
    fields.country = r.header(COUNTRY)?.slice(0, 2) ?? 'none'
  },
} satisfies Hooks
