import type { Logger } from 'pino'
import { problemLines } from '../config/problems.ts'
import type { UnreadableService } from './unreadable.ts'

/** Logs definitions that cannot be read, once each, and when they can be read again. */
export class UnreadableLog {
  private readonly log: Logger
  private logged: readonly UnreadableService[] = []

  constructor(log: Logger) {
    this.log = log
  }

  /** `services`: all services whose definitions cannot be read now. */
  tell(services: readonly UnreadableService[]): void {
    const { logged } = this
    if (services === logged) return
    this.logged = services
    for (const { name, problems, isServed } of services) {
      if (logged.some((service) => service.name === name)) continue
      const how = isServed ? 'the last readable one stays in force' : 'it has no servers here'
      this.log.error({ service: name, problems: problemLines(problems) }, `a definition cannot be read: ${how}`)
    }
    const names = new Set(services.map(({ name }) => name))
    const again = logged.filter(({ name }) => !names.has(name)).map(({ name }) => name)
    if (again.length > 0) this.log.info({ services: again }, 'definitions can be read again')
  }
}
