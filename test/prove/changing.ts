import type { Cutover } from '../support/cutover.ts'

/** What changes in the configuration file from one reload to the next. */
export interface Changes {
  /** The service and its servers have another name. */
  readonly rename: boolean
  /** Checks are switched off, and then ask another path. */
  readonly health: boolean
  /** Something that concerns no request. */
  readonly reload: boolean
}

export interface ChangingOptions extends Changes {
  readonly cutover: Cutover
  /** The `proxy` section of the file, which stays. */
  readonly proxy: object
  /** URLs of the servers that serve all the time, by name. */
  readonly servers: Readonly<Record<string, string>>
  readonly count: number
  /** Resolves when every client has had its turn, or another in its place. */
  readonly everyClient: () => Promise<unknown>
  readonly onChange?: ((ms: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Changed {
  /** From asking for a reload to the answer that it is in force, ms. */
  readonly times: readonly number[]
  /** Answers that were not as promised, in words. */
  readonly broken: readonly string[]
}

const HEALTH = [{ interval: '50ms' }, 'off', { interval: '50ms', path: '/other' }]

/** The services of the file at its `index`-th version. There are no retries: a server that is not known to be up shows. */
export function versionOf(
  { rename, health, reload }: Changes,
  servers: Readonly<Record<string, string>>,
  index: number,
): object {
  const name = (base: string): string => (rename && index % 2 === 1 ? `${base}-renamed` : base)
  // Every other change at the same time as a change of names.
  const checks = health ? HEALTH[Math.floor(index / 2) % HEALTH.length] : HEALTH[0]
  const renamed = Object.fromEntries(Object.entries(servers).map(([server, url]) => [name(server), url]))
  return {
    [name('shop')]: {
      pools: { blue: { servers: renamed, ...(reload ? { version: `${index}` } : {}) } },
      health: checks,
      retry: { attempts: 1 },
    },
  }
}

/** Changes the file and has it read again, over and over under load. */
export async function changeOverAndOver(options: ChangingOptions): Promise<Changed> {
  const { cutover, proxy, servers, count, everyClient, onChange, signal } = options
  const times: number[] = []
  const broken: string[] = []
  for (let i = 1; i <= count; i++) {
    signal?.throwIfAborted()
    await cutover.configure({ services: versionOf(options, servers, i), proxy })
    const askedAt = performance.now()
    const { status, body } = await cutover.api('POST', '/api/config/reload?wait=30s')
    const ms = performance.now() - askedAt
    if (status !== 200) broken.push(`change ${i} was answered ${status} ${JSON.stringify(body)}`)
    times.push(ms)
    onChange?.(ms)
    await everyClient()
  }
  return { times, broken }
}
