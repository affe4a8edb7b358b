import type { Server } from '../../client/create-client.ts'

/** What a command is told of the server that it is run for. */
export interface Place {
  readonly server: string
  readonly url: string
  /** Host name or address in the url, as `ssh` takes it; empty for a socket file. */
  readonly host: string
  readonly pool: string
  readonly service: string
}

export function placeOf({ name, url, pool, service }: Pick<Server, 'name' | 'url' | 'pool' | 'service'>): Place {
  return { server: name, url, host: hostOf(url), pool, service }
}

/** Replaces `{server}`, `{url}`, `{host}`, `{pool}` and `{service}`, quoted for the shell; other braces stay. */
export function filledIn(command: string, place: Place): string {
  return command.replaceAll(/(?<!\$)\{(server|url|host|pool|service)\}/g, (_all, key: keyof Place) =>
    quoted(place[key]),
  )
}

/** The same values as variables of the environment. */
export function variablesOf({ server, url, host, pool, service }: Place): Readonly<Record<string, string>> {
  return {
    CUTOVER_SERVER: server,
    CUTOVER_URL: url,
    CUTOVER_HOST: host,
    CUTOVER_POOL: pool,
    CUTOVER_SERVICE: service,
  }
}

/** A text as one word for the shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function hostOf(url: string): string {
  const { hostname } = URL.parse(url) ?? { hostname: '' }
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
