import type { Config, StoreSettings } from './config.ts'

/** What is shown in the place of a secret. */
export const HIDDEN = '(hidden)'

/** A configuration without tokens and passwords. Services are left out: their secrets are known elsewhere. */
export function shown({ services: _, hasServices: __, ...config }: Config): object {
  const tokens = config.admin.tokens.map(({ name, role }) => ({ name, role }))
  return {
    ...config,
    admin: { ...config.admin, tokens },
    store: { ...config.store, redis: shownRedis(config.store.redis) },
    fleet: { ...config.fleet, token: config.fleet.token === null ? null : HIDDEN },
  }
}

function shownRedis(redis: StoreSettings['redis']): object | null {
  if (redis === null) return null
  if (redis.kind === 'single') return { ...redis, url: withoutPassword(redis.url) }
  const secret = Object.keys(redis).filter((key) => key.toLowerCase().endsWith('password'))
  return { ...redis, ...Object.fromEntries(secret.map((key) => [key, HIDDEN])) }
}

/** `redis://user:secret@host` with the user at the most. The password may have characters that belong elsewhere. */
function withoutPassword(url: string): string {
  const [, scheme = '', login, rest = ''] = /^(\w+:\/\/)(?:(.*)@)?([^@]*)$/s.exec(url) ?? []
  if (scheme === '') return HIDDEN
  const address = rest.replace(/\?.*$/s, '')
  return login === undefined ? `${scheme}${address}` : `${scheme}${login.split(':')[0]}:${HIDDEN}@${address}`
}
