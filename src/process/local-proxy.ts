import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import type { ProxyListener, ProxySettings } from '../config/config.ts'
import type { Control } from '../control/control.ts'
import { localLink } from '../control/link.ts'
import type { Proxies } from '../control/proxies.ts'
import { sum } from '../control/proxies.ts'
import type { ProcessView } from '../model/fleet.ts'
import type { RequestLoad } from '../model/messages.ts'
import type { TracingSettings } from '../model/tracing.ts'
import { assertInherited } from '../net/held-socket.ts'
import { forKey, listenerName, listenOptions, proxyListenKey, secureUrl, urlOf } from '../net/listen-options.ts'
import { DataPlane } from '../proxy/data-plane.ts'
import { AccessLog } from '../telemetry/access-log/access-log.ts'
import { VitalsMeter } from '../telemetry/vitals.ts'

const NAME = 'proxy'

/** The only proxy with `workers: 0`, which runs in the control process. */
export class LocalProxy implements Proxies {
  readonly addresses: string[] = []
  readonly listeners: string[] = []
  readonly trouble = null
  readonly restarts = 0
  private readonly settings: ProxySettings
  private readonly plane: DataPlane
  private readonly link = localLink()
  private readonly vitals = new VitalsMeter()

  /** `log`: for errors of hooks, tracing and the access log. `tracing`: null = off. */
  constructor(settings: ProxySettings, log: Logger, tracing: TracingSettings | null = null) {
    this.settings = settings
    const { control: _, proxy } = this.link
    const accessLog = settings.accessLog === null ? null : new AccessLog(settings.accessLog, log, false)
    this.plane = new DataPlane({ ...settings, tracing }, accessLog, (message) => proxy.send(message), log)
    proxy.receive((message) => this.plane.receive(message))
  }

  async start(control: Control, revision: number): Promise<void> {
    control.attach(NAME, this.link.control)
    // No connection is accepted before the table is in force.
    await control.drains.settled(revision, [], 10_000, true)
    const { problem } = control.hooks
    // Without the hooks, this proxy would let through what they refuse.
    if (problem !== null) throw new Error(`cannot use the hooks: ${problem.place}: ${problem.message}`)
    const { listen } = this.settings
    for (const [index, address] of listen.entries())
      await forKey(proxyListenKey(index, listen.length), address, this.listen(address, index))
  }

  private async listen(address: ProxyListener, index: number): Promise<void> {
    if (address.kind === 'fd') assertInherited(address.fd)
    const isSecure = address.tls !== undefined
    const listener = await this.plane.listen(listenOptions(address), {
      proxyProtocol: address.proxyProtocol === true,
      h2c: address.h2c === true,
      redirect: address.redirectToHttps ?? null,
      ...(isSecure ? { tlsOf: index } : {}),
      ...(address.kind === 'fd' ? { name: `fd:${address.fd}` } : {}),
    })
    const url = address.kind === 'fd' ? `fd:${address.fd}` : urlOf(listener.address as AddressInfo | string)
    this.listeners.push(listenerName(url))
    this.addresses.push(secureUrl(url, isSecure))
  }

  /** Opens the file of the access log again. */
  reopenLog(): void {
    this.plane.accessLog?.reopen()
  }

  close(): void {
    // The data plane ends by itself, with its last request.
  }

  load(): RequestLoad {
    return this.plane.load()
  }

  processes(control: Control): readonly ProcessView[] {
    const { inFlight, connections } = this.plane.load()
    const appliedRevision = control.appliedBy(NAME)
    return [{ role: 'control', ...this.vitals.read(), appliedRevision, inFlight: sum(inFlight), connections }]
  }
}
