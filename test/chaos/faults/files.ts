import { execFile } from 'node:child_process'
import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Seat } from '../../support/seat.ts'
import { configText } from '../config-text.ts'
import type { Step } from '../plan.ts'
import type { Stage } from '../stage.ts'
import { lasts, seatOf } from './fault.ts'

const run = promisify(execFile)
/** A folder where not even root can create a file. */
const UNWRITABLE = '/proc/self/fdinfo'
const PIECES = 4
const TRIES = 20
const BETWEEN_PIECES_MS = 60

export async function removeFolder(stage: Stage, step: Step): Promise<void> {
  const { name, dataPath } = seatOf(stage, step)
  stage.ledger.note(`the folder of ${name} is removed`)
  await rm(dataPath, { recursive: true, force: true })
  await lasts(step)
  await mkdir(dataPath, { recursive: true })
  stage.ledger.note(`${name} has a folder again`)
}

export async function lockFolder(stage: Stage, step: Step): Promise<void> {
  const { name, dataPath } = seatOf(stage, step)
  const aside = `${dataPath}.aside`
  stage.ledger.note(`the folder of ${name} cannot be written to`)
  await mkdir(dataPath, { recursive: true })
  await rename(dataPath, aside)
  await inPlaceOf(dataPath, () => symlink(UNWRITABLE, dataPath))
  await lasts(step)
  await inPlaceOf(dataPath, () => rename(aside, dataPath))
  stage.ledger.note(`the folder of ${name} can be written to`)
}

/** Replaces a folder that the instance may create again at any moment. */
async function inPlaceOf(path: string, put: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    await rm(path, { recursive: true, force: true })
    try {
      await put()
      return
    } catch (error) {
      if (tries === TRIES) throw error
    }
  }
}

/** Files may not grow: as on a full disk, what is written fails. */
export async function fillDisk(stage: Stage, step: Step): Promise<void> {
  const seat = seatOf(stage, step)
  stage.ledger.note(`the disk of ${seat.name} is full`)
  const limited = await limitFiles(seat, '0:unlimited')
  await lasts(step)
  await limitFiles(seat, 'unlimited:unlimited')
  stage.ledger.note(`the disk of ${seat.name} has room again (${limited} processes were concerned)`)
}

/** Writes the file anew as a careless script does: emptied, then piece by piece, with a reload asked for at every moment. */
export async function rewriteFile(stage: Stage, step: Step): Promise<void> {
  const seat = seatOf(stage, step)
  if (stage.down.has(seat)) return
  const { cutover } = seat
  const text = configText(seat, stage.apps.ports, 20 + (step.variant % 20))
  stage.ledger.note(`the file of ${seat.name} is written anew, and read all the while`)
  try {
    await truncate(cutover.configFile)
    for (let piece = 0; piece <= PIECES; piece++) {
      cutover.process.kill('SIGHUP')
      await delay(BETWEEN_PIECES_MS)
      await writeFile(cutover.configFile, text.slice(0, Math.ceil((text.length * piece) / PIECES)))
    }
    const { status, body } = await cutover.api('POST', '/api/config/reload')
    stage.ledger.note(`the file of ${seat.name} was read: ${status} ${JSON.stringify(body).slice(0, 200)}`)
  } catch (error) {
    // It is killed just now, with its file.
    stage.ledger.note(`the file of ${seat.name} was not read: ${(error as Error).message}`)
  }
}

/** Resolves with the number of processes that were there to be limited. */
async function limitFiles(seat: Seat, limit: string): Promise<number> {
  const tries = seat.processes().map(({ pid }) => run('prlimit', [`--pid=${pid}`, `--fsize=${limit}`]))
  const done = await Promise.allSettled(tries)
  return done.filter(({ status }) => status === 'fulfilled').length
}
