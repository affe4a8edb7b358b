import type { WatchedPool } from '../health/outlier.ts'
import type { FollowedPool, FollowedServer } from './followed-servers.ts'

/**
 * Returns a pool for ejection, with the servers that would take requests if none were ejected. Backups are a pool of their
 * own: they must not add to the number of other servers that may be ejected. `isUp`: by checks.
 */
export function watchedPools(
  { name, passive: spec, hasTraffic, servers }: FollowedPool,
  isUp: (server: FollowedServer) => boolean,
): readonly WatchedPool[] {
  const usable = hasTraffic ? servers.filter((server) => server.isOpen && isUp(server)) : []
  const backups = usable.filter(({ backup }) => backup).map(({ key }) => key)
  const others = usable.filter(({ backup }) => !backup).map(({ key }) => key)
  return [
    { name, spec, keys: others, hasBackup: backups.length > 0 },
    { name: `${name}/backup`, spec, keys: backups },
  ]
}
