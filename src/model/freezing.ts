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

/** Describes who has frozen a service: `frozen by anna since …: black friday`. */
export function describeFreeze({ by, at, reason }: Freeze): string {
  return `frozen by ${by} since ${at}${reason === null ? '' : `: ${reason}`}`
}
