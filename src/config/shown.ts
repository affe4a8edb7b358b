import { HIDDEN } from '../model/secret-names.ts'
import type { Config, StoreSettings } from './config.ts'

/** The configuration without tokens and passwords. Services are left out: `model/without-secrets.ts` hides their secrets. */
export function shown({ services: _, hasServices: __, hooks, ...config }: Config): object {
  const tokens = config.admin.tokens.map(({ name, role }) => ({ name, role }))
  return {
    ...config,
    proxy: { ...config.proxy, hooks: hooks.file, hookTimeoutMs: hooks.timeoutMs, hookErrors: hooks.onError },
    admin: { ...config.admin, tokens },
    store: { ...config.store, redis: shownRedis(config.store.redis), secret: config.store.secret === '' ? '' : HIDDEN },
    webhooks: config.webhooks.map(({ url, types }) => ({ url: shownUrl(url), types, secret: HIDDEN })),
    fleet: { ...config.fleet, token: config.fleet.token === null ? null : HIDDEN },
  }
}

/** A url without its path and query, which are the secret of many receivers. */
export function shownUrl(url: string): string {
  const { origin, pathname, search } = new URL(url)
  return pathname === '/' && search === '' ? origin : `${origin}/…`
}

function shownRedis(redis: StoreSettings['redis']): object | null {
  if (redis === null) return null
  if (redis.kind === 'single') return { ...redis, url: withoutPassword(redis.url) }
  const secret = Object.keys(redis).filter((key) => key.toLowerCase().endsWith('password'))
  return { ...redis, ...Object.fromEntries(secret.map((key) => [key, HIDDEN])) }
}

/** Hides the password in `redis://user:secret@host`. The password may contain characters that a URL should have escaped. */
function withoutPassword(url: string): string {
  const [, scheme = '', login, rest = ''] = /^(\w+:\/\/)(?:(.*)@)?([^@]*)$/s.exec(url) ?? []
  if (scheme === '') return HIDDEN
  const address = rest.replace(/\?.*$/s, '')
  return login === undefined ? `${scheme}${address}` : `${scheme}${login.split(':')[0]}:${HIDDEN}@${address}`
}
