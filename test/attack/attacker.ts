/** Carries out attacks, in a process of its own: what they cost here is not for the proxy to bear. */
import { setPriority } from 'node:os'
import type { FromAttacker, ToAttacker } from './attacker-process.ts'
import { ATTACKS } from './attacks/all.ts'
import { Crowd } from './crowd.ts'

/** Real attackers have processors of their own. */
const NICENESS = 10

let crowd: Crowd | null = null
let running: Promise<unknown> = Promise.resolve()

setPriority(NICENESS)
process.on('disconnect', () => process.exit())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
process.on('message', async (message: ToAttacker) => {
  if (message.type === 'begin') {
    const attack = ATTACKS.find(({ name }) => name === message.name)
    if (attack === undefined) throw new Error(`there is no attack "${message.name}"`)
    crowd = new Crowd()
    running = attack.run(crowd, message.target)
    return
  }
  crowd?.end()
  await running
  process.send?.({ type: 'ended', counts: crowd?.counts ?? {} } satisfies FromAttacker)
})
process.send?.({ type: 'ready' } satisfies FromAttacker)
