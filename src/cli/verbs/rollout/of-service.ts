import type { Client, Rollout } from '../../../client/create-client.ts'
import { CannotDo } from '../../unusable.ts'

const ENDED: ReadonlySet<Rollout['state']> = new Set(['Succeeded', 'Aborted', 'Superseded'])

/** The rollout of an id; without one, the newest of the service. Throws CannotDo if there is none, and ApiError. */
export async function rolloutOf(client: Client, service: string, id: string | undefined): Promise<Rollout> {
  if (id !== undefined) return (await client.rollouts.get(service, id)).rollout
  const [newest] = (await client.rollouts.list(service)).rollouts
  if (newest !== undefined) return newest
  throw new CannotDo(`${service} has no rollout. Start one: cutover rollout start ${service}`)
}

/** Whether nothing moves it any more. */
export function hasEnded({ state }: Rollout): boolean {
  return ENDED.has(state)
}

/** Reasons of a pause that only a person ends. */
const WAITS_FOR_PERSON: ReadonlySet<string> = new Set(['Gate', 'Manual', 'Inconclusive', 'FailureHeld', 'StoreLost'])

/** Whether it goes on only when a person says so. */
export function needsPerson({ state, reason }: Rollout): boolean {
  return state === 'Paused' && reason !== null && WAITS_FOR_PERSON.has(reason)
}
