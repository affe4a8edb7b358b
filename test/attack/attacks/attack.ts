import type { Crowd, Target } from '../crowd.ts'

/** Something that somebody does who means no good. */
export interface Attack {
  readonly name: string
  /** Resolves when the crowd is told to end. */
  readonly run: (crowd: Crowd, target: Target) => Promise<void>
  /** How many times as long as others it lasts; 1 unless told. */
  readonly weight?: number
  /** Why what it does to the others is printed and not judged; absent where it is. */
  readonly known?: string
  /** Nobody reads the standard output of the proxy meanwhile. */
  readonly leavesOutputUnread?: true
}

export const HOST = 'shop.test'

/** A head that asks for something of the service, as everybody may. */
export function head(method: string, path: string, ...fields: readonly string[]): string {
  return `${[`${method} ${path} HTTP/1.1`, `Host: ${HOST}`, ...fields].join('\r\n')}\r\n\r\n`
}
