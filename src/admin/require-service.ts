import { own } from '../model/names.ts'
import type { Service } from '../model/state.ts'
import type { AdminContext } from './context.ts'
import { unknownProblem } from './problems.ts'

/** Returns the service of this name. Throws 404. */
export function requireService(context: AdminContext, name: string): Service {
  const { services } = context.control.state
  const service = own(services, name)
  if (service === undefined) throw unknownProblem('service', name, Object.keys(services))
  return service
}
