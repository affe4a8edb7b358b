import { childPath, type Problems } from './problems.ts'
import type { FileSettings } from './schema/file.ts'

/** Refuses TLS of listeners, which is not built yet. */
export function refuseListenNotYet(listen: FileSettings['proxy']['listen'], path: string, problems: Problems): void {
  for (const [index, { tls }] of [listen].flat().entries()) {
    const at = Array.isArray(listen) ? childPath(path, index) : path
    if (tls !== undefined) problems.add(childPath(at, 'tls'), 'not available yet; listen without it')
  }
}
