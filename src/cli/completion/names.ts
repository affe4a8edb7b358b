import type { Client } from '../../client/create-client.ts'
import { durationMs } from '../durations.ts'
import type { Session } from '../session.ts'
import type { Candidate, Line, NameKind } from './candidates.ts'

/** Max time for names, ms, unless CUTOVER_COMPLETION_TIMEOUT says another: somebody waits with a finger on the key. */
const PATIENCE_MS = 700

/** Asks the API for names. Nothing, if it does not answer at once, or its address cannot be used. */
export async function namesOf(session: Session, kind: NameKind, { service }: Line): Promise<readonly Candidate[]> {
  const signal = AbortSignal.timeout(durationMs(process.env.CUTOVER_COMPLETION_TIMEOUT ?? '') ?? PATIENCE_MS)
  try {
    return await ask(session.client, kind, service, signal)
  } catch {
    return []
  }
}

async function ask(
  client: Client,
  kind: NameKind,
  service: string | undefined,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  if (kind === 'id') {
    const { rollouts } = await client.rollouts.list(service ?? '', { signal })
    return rollouts.map(({ id, to, state }) => ({ value: id, description: `to ${to}, ${state}` }))
  }
  const { services } = await client.services.list({ signal })
  if (kind === 'service')
    return services.map(({ name, pools }) => ({ value: name, description: pools.map((pool) => pool.name).join(', ') }))
  const pools = services.filter(({ name }) => service === undefined || name === service).flatMap((each) => each.pools)
  if (kind === 'pool')
    return unique(pools.map(({ name, version }) => ({ value: name, description: `version ${version}` })))
  const servers = pools.flatMap((pool) => pool.servers)
  return unique(
    servers.map(({ name, pool, state, health }) => ({ value: name, description: `${pool}, ${state}, ${health}` })),
  )
}

function unique(candidates: readonly Candidate[]): readonly Candidate[] {
  return [...new Map(candidates.toReversed().map((each) => [each.value, each])).values()].toReversed()
}
