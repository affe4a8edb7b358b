/**
 * Returns those of a pool's servers whose turn it is: backups only while no other server is up. If none at all is up, it
 * is the turn of the others.
 */
export function onDuty<S extends { readonly backup: boolean }>(
  servers: readonly S[],
  isUp: (server: S) => boolean = () => true,
): readonly S[] {
  const backups = servers.filter(({ backup }) => backup)
  if (backups.length === 0) return servers
  const others = servers.filter(({ backup }) => !backup)
  const takeOver = others.length === 0 || (!others.some(isUp) && backups.some(isUp))
  return takeOver ? backups : others
}
