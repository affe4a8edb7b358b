import type { Draft } from './draft.ts'
import type { Freeze, Service } from './state.ts'

/** Keeps the routing of a service as it is, or lets it be changed again (null). */
export function setFreeze(service: Service, freeze: Freeze | null): Draft {
  const { freeze: before, ...rest } = service
  if ((before === undefined) === (freeze === null)) return { edits: [] }
  const after = freeze === null ? rest : { ...rest, freeze }
  const action = freeze === null ? 'unfreeze' : 'freeze'
  return { edits: [{ before: service, after, service: service.name, action, from: before ?? null, to: freeze }] }
}

/** Whether a rollout need not mind a freeze: it was begun in spite of it. */
export function isUnfrozen(
  freeze: Freeze | undefined,
  { forced, startedMs }: { readonly forced: boolean; readonly startedMs: number },
): boolean {
  return freeze === undefined || (forced && Date.parse(freeze.at) <= startedMs)
}

/** Describes who has frozen a service: `frozen by anna since …: black friday`. */
export function describeFreeze({ by, at, reason }: Freeze): string {
  return `frozen by ${by} since ${at}${reason === null ? '' : `: ${reason}`}`
}
