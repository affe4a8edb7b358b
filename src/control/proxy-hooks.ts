import type { HookSettings, HooksProblem } from '../model/hooks.ts'
import type { ControlEnd } from './link.ts'
import type { ProxyLinks } from './proxy-links.ts'

/** The hooks that all proxies of this instance have, or are to have. */
export class ProxyHooks {
  current: HookSettings
  private readonly proxies: ProxyLinks
  private readonly takeEffect: () => Promise<readonly string[]>
  /** Why a proxy cannot use the current hooks; null = no proxy has said so. */
  problem: HooksProblem | null = null

  /**
   * `takeEffect`: resolves once all proxies have taken what they were sent, or after a while with the names of those that
   * have not.
   */
  constructor(current: HookSettings, proxies: ProxyLinks, takeEffect: () => Promise<readonly string[]>) {
    this.current = current
    this.proxies = proxies
    this.takeEffect = takeEffect
  }

  /** Sends the hooks to a proxy that has just been attached. */
  sendTo(link: ControlEnd): void {
    link.send({ type: 'hooks', hooks: this.current })
  }

  /** Takes from a proxy that it cannot use the hooks. */
  failed(problem: HooksProblem): void {
    this.problem = problem
  }

  /**
   * Puts hooks in force in all proxies. Returns the problem if one of them cannot use them: then those before are in force
   * everywhere again. null = they are in force.
   */
  async use(hooks: HookSettings): Promise<HooksProblem | null> {
    const before = this.current
    if (before.program === null && hooks.program === null) {
      this.current = hooks
      return null
    }
    const problem = await this.send(hooks)
    if (problem !== null) await this.send(before)
    return problem
  }

  private async send(hooks: HookSettings): Promise<HooksProblem | null> {
    this.current = hooks
    this.problem = null
    this.proxies.send({ type: 'hooks', hooks })
    const lagging = await this.takeEffect()
    if (this.problem !== null || lagging.length === 0) return this.problem
    return { place: hooks.file, message: `${lagging.join(', ')} did not load it in time` }
  }
}
