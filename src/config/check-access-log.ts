import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Problems } from './problems.ts'
import type { FileSettings } from './schema/file.ts'

const { R_OK, W_OK, X_OK } = constants

/** Checks that this process may write the file of the access log, or create it. */
export function checkAccessLog({ accessLog }: FileSettings['proxy'], problems: Problems): void {
  if (accessLog === null || accessLog.file === '') return
  const problem = problemOf(accessLog.file)
  if (problem !== null) problems.add('proxy.accessLog.file', problem)
}

function problemOf(file: string): string | null {
  try {
    const stats = statSync(file, { throwIfNoEntry: false })
    // Read as well: the log looks whether the last line is whole.
    if (stats?.isFile()) return may(file, R_OK | W_OK) ? null : `${file} may not be read and written by this user`
    if (stats !== undefined) return `${file} is not a regular file; leave it out to write to standard output`
    const folder = dirname(resolve(file))
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return `there is no folder ${folder}; create it`
    return may(folder, W_OK | X_OK) ? null : `the folder ${folder} is not writable for this user`
  } catch (error) {
    return `${file} cannot be used: ${(error as Error).message}`
  }
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
