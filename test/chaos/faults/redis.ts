import { setTimeout as delay } from 'node:timers/promises'
import type { Step } from '../plan.ts'
import type { Stage } from '../stage.ts'
import { lasts } from './fault.ts'

/** Keys of the fleet; each is overwritten with a string in its turn, which is the wrong type for it. */
const KEYS = ['instances', 'reports', 'services', 'changes', 'heads', 'keyed', 'meta'].map(
  (name) => `{cutover}:${name}`,
)
/** How long an instance has to put keys right before the next fault. */
const REPAIR_MS = 2_500

export async function killRedis({ redis, ledger }: Stage, step: Step): Promise<void> {
  ledger.note('Redis is killed')
  await redis.kill()
  await lasts(step)
  await redis.restart()
  ledger.note('Redis has been started again')
}

export async function stopRedis({ redis, ledger }: Stage, step: Step): Promise<void> {
  ledger.note('Redis hangs')
  redis.pause()
  await lasts(step)
  redis.resume()
  ledger.note('Redis goes on')
}

export async function flushAll(stage: Stage): Promise<void> {
  await tell(stage, 'FLUSHALL')
  await delay(REPAIR_MS)
}

export function flushScripts(stage: Stage): Promise<void> {
  return tell(stage, 'SCRIPT', 'FLUSH')
}

export async function spoilKeys(stage: Stage, { variant }: Step): Promise<void> {
  const key = KEYS[variant % KEYS.length] ?? ''
  await tell(stage, 'SET', key, 'spoiled')
  await delay(REPAIR_MS)
}

export async function fillMemory(stage: Stage, step: Step): Promise<void> {
  await tell(stage, 'CONFIG', 'SET', 'maxmemory', '1')
  await lasts(step)
  await tell(stage, 'CONFIG', 'SET', 'maxmemory', '0')
}

export function sleepRedis(stage: Stage, { lastsMs }: Step): Promise<void> {
  return tell(stage, 'DEBUG', 'SLEEP', (lastsMs / 1000).toFixed(2))
}

async function tell({ redis, ledger }: Stage, ...command: string[]): Promise<void> {
  ledger.note(`Redis is told ${command.join(' ')}`)
  await redis.cli(...command)
}
