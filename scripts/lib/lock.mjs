import { mkdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const beatMs = 1_000
const staleMs = 10_000

/**
 * Runs `work` while holding the folder `lock` as a lock. The holder touches the folder every second; a lock that was
 * not touched for ten seconds is taken over, because its holder has died.
 */
export async function withLock(lock, work) {
  for (let said = false; !acquire(lock); said = true) {
    if (!said) console.error('cutover: waiting for another installation to finish')
    await sleep(200)
  }
  const beat = setInterval(() => utimesSync(lock, new Date(), new Date()), beatMs)
  try {
    return await work()
  } finally {
    clearInterval(beat)
    rmSync(lock, { recursive: true, force: true })
  }
}

function acquire(lock) {
  try {
    mkdirSync(lock)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  const touched = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
  if (Date.now() - touched > staleMs) rmSync(lock, { recursive: true, force: true })
  return false
}
