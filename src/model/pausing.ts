import type { Draft } from './draft.ts'
import type { ServiceMode } from './service-mode.ts'
import type { JsonObject, Service } from './state.ts'

/** Pauses or stops a service (`mode`), or serves its requests again (null). */
export function setMode(service: Service, mode: ServiceMode | null): Draft {
  const [from, to] = [describeMode(service.mode), describeMode(mode ?? undefined)]
  if (JSON.stringify(from) === JSON.stringify(to)) return { edits: [] }
  const { mode: _, ...serving } = service
  const after = mode === null ? serving : { ...serving, mode }
  return {
    edits: [{ before: service, after, service: service.name, action: ACTIONS[mode?.kind ?? 'serving'], from, to }],
  }
}

const ACTIONS = { serving: 'resume', paused: 'pause', stopped: 'stop' } as const

/** The mode for the history. */
function describeMode(mode: ServiceMode | undefined): JsonObject {
  if (mode === undefined) return { mode: 'serving' }
  const { kind, ...settings } = mode
  return { mode: kind, ...settings }
}
