import type { Server } from '../../../src/client/create-client.ts'
import { untilCut } from '../format.ts'
import { Chip } from './chip.tsx'
import { now } from './now.ts'

/** What a server does, in one word: its state, unless it is ready; then its health. */
export function ServerState({ server: { state, health, drained, inFlight, cutAt } }: { server: Server }) {
  const left = `${inFlight} left${untilCut(cutAt, now.value)}`
  if (state === 'drain') return drained ? <Chip level="info">drained</Chip> : <Chip level="warn">draining, {left}</Chip>
  if (state === 'maint') return <Chip level="info">maintenance</Chip>
  if (state === 'leaving') return <Chip level="warn">leaving, {left}</Chip>
  if (health === 'up') return <Chip level="ok">up</Chip>
  return <Chip level={health === 'unknown' ? 'info' : 'bad'}>{health}</Chip>
}
