import { StoreUnusable } from './store.ts'

/**
 * Returns the error for a store that cannot start because its files are damaged.
 * @param where the damaged file, with the line if known
 * @param problem the damage
 * @param away files to move away if there is no backup
 * @param to the state that the store starts from without those files
 */
export function damaged(where: string, problem: string, away: readonly string[], to: string): StoreUnusable {
  const moves = away.map((file) => `mv ${file} ${file}.damaged`).join('; ')
  return new StoreUnusable(
    `${where}: ${problem}. Nothing was changed. Restore the store's files from a backup, or start from ${to}: ${moves}`,
  )
}
