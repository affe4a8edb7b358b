import type { Client, Rollout } from '../../../client/create-client.ts'
import { isTemporary } from '../../failure.ts'
import { pause } from '../../interrupt.ts'
import { hasEnded } from './of-service.ts'

/** Time between two looks. Evidence grows with every tick, of which there are no events. */
const LOOK_MS = 1_000

/** A look at a rollout. `problem`: why it is the last known state; null = it is current. */
export interface Look {
  readonly rollout: Rollout
  readonly problem: string | null
}

/**
 * Looks at a rollout once a second until it has ended, or `signal` is aborted. While no instance answers, it goes on asking.
 * Throws ApiError for what another try does not change.
 */
export async function* followed(client: Client, first: Rollout, signal: AbortSignal): AsyncGenerator<Look> {
  const { service, id } = first
  let rollout = first
  let problem: string | null = null
  for (;;) {
    yield { rollout, problem }
    if (hasEnded(rollout)) return
    await pause(LOOK_MS, signal)
    if (signal.aborted) return
    try {
      rollout = (await client.rollouts.get(service, id, { signal })).rollout
      problem = null
    } catch (error) {
      if (signal.aborted) return
      if (!isTemporary(error)) throw error
      problem = error.message
    }
  }
}
