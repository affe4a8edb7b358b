import { StoreUnusable } from './store.ts'

/**
 * The refusal to start on damaged files.
 * @param where file, and line where there is one
 * @param problem what is wrong there
 * @param away files that may be moved away if there is no backup
 * @param to what the store then starts from
 */
export function damaged(where: string, problem: string, away: readonly string[], to: string): StoreUnusable {
  const moves = away.map((file) => `mv ${file} ${file}.damaged`).join('; ')
  return new StoreUnusable(
    `${where}: ${problem}. Nothing was changed. Restore the store's files from a backup, or start from ${to}: ${moves}`,
  )
}
