import type { Server } from '../../../src/client/create-client.ts'
import { Chip } from './chip.tsx'

/** What a server does, in one word: its state, unless it is ready; then its health. */
export function ServerState({ server: { state, health, drained, inFlight } }: { server: Server }) {
  if (state === 'drain')
    return drained ? <Chip level="info">drained</Chip> : <Chip level="warn">draining, {inFlight} left</Chip>
  if (state === 'maint') return <Chip level="info">maintenance</Chip>
  if (state === 'leaving') return <Chip level="warn">leaving, {inFlight} left</Chip>
  if (health === 'up') return <Chip level="ok">up</Chip>
  return <Chip level={health === 'unknown' ? 'info' : 'bad'}>{health}</Chip>
}
