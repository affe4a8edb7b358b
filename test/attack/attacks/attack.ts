import type { Crowd, Target } from '../crowd.ts'

/** One kind of hostile traffic. */
export interface Attack {
  readonly name: string
  /** Resolves when the crowd is told to end. */
  readonly run: (crowd: Crowd, target: Target) => Promise<void>
  /** How many times as long as others it lasts; 1 unless told. */
  readonly weight?: number
  /** The standard output of the proxy is not read during the attack. */
  readonly leavesOutputUnread?: true
}

export const HOST = 'shop.test'

/** A valid request head for the service. */
export function head(method: string, path: string, ...fields: readonly string[]): string {
  return `${[`${method} ${path} HTTP/1.1`, `Host: ${HOST}`, ...fields].join('\r\n')}\r\n\r\n`
}
