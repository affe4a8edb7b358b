import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { Change } from '../../src/model/state.ts'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { StoreUnusable } from '../../src/store/store.ts'

/** A directory that is gone after the test. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cutover-store-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/**
 * A store that compacts after `changes` and looks after its files every `checkMs`, opened, and the warnings it gave.
 */
export async function openStore(path: string, changes = 1_000, checkMs = 1_000) {
  const warnings: string[] = []
  const compactAfter = { changes, bytes: 1 << 30 }
  const store = new EmbeddedStore({ path, compactAfter, checkMs, tell: (_level, message) => warnings.push(message) })
  await store.open()
  return { store, warnings }
}

/** A directory whose log holds `changes`, closed. */
export async function directoryWith(changes: readonly Change[], compactAfter?: number): Promise<string> {
  const path = join(await temporaryDirectory(), 'data')
  const { store } = await openStore(path, compactAfter)
  for (const change of changes) await store.commit(change)
  await store.close()
  return path
}

/** Result of opening `path`: the store, closed again, or the error's message. */
export async function attempt(path: string): Promise<string | { revision: number; warnings: readonly string[] }> {
  try {
    const { store, warnings } = await openStore(path)
    const { revision } = store.documents()
    await store.close()
    return { revision, warnings }
  } catch (error) {
    if (error instanceof StoreUnusable) return error.message
    throw error
  }
}

/** A copy of `path` as it is now. */
export async function copyOf(path: string): Promise<string> {
  const copy = join(await temporaryDirectory(), 'data')
  await cp(path, copy, { recursive: true })
  return copy
}

/** A committer and the lines that it prints. */
export function startCommitter(path: string, compactAfter = 1_000) {
  const script = fileURLToPath(new URL('committer.ts', import.meta.url))
  const child = spawn(process.execPath, [script, path, String(compactAfter)], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, lines: createInterface({ input: child.stdout }) }
}

/** Kills -9, and resolves when the process is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'close')
  child.kill('SIGKILL')
  await gone
}
