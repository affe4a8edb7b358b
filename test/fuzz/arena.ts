import { Cutover } from '../support/cutover.ts'
import { Lane } from './lane.ts'
import { FuzzServer } from './server.ts'

/** A proxy with lanes: in each, a host and a server behind it. What happens in one concerns no other. */
export class Arena {
  readonly lanes: readonly Lane[]
  cutover: Cutover
  private readonly services: object
  private restarting: Promise<void> | null = null

  private constructor(servers: readonly FuzzServer[], services: object, cutover: Cutover) {
    this.services = services
    this.cutover = cutover
    this.lanes = servers.map((server, i) => new Lane(this, server, hostOf(i)))
  }

  static async start(lanes: number): Promise<Arena> {
    const servers = await Promise.all(Array.from({ length: lanes }, () => FuzzServer.start()))
    const services = Object.fromEntries(servers.map(({ port }, i) => [`lane${i}`, serviceOf(hostOf(i), port)]))
    return new Arena(servers, services, await Cutover.start({ services }))
  }

  async stop(): Promise<void> {
    await this.cutover.stop('SIGKILL')
    await Promise.all(this.lanes.map(({ server }) => server.close()))
  }

  get hasCrashed(): boolean {
    return this.cutover.process.exitCode !== null || this.cutover.process.signalCode !== null
  }

  /** A proxy that has crashed is replaced, so that the smallest case that does it can be found. */
  async revive(): Promise<void> {
    if (!this.hasCrashed) return
    this.restarting ??= Cutover.start({ services: this.services }).then((cutover) => {
      this.cutover = cutover
      this.restarting = null
    })
    await this.restarting
  }
}

function hostOf(lane: number): string {
  return `lane${String(lane).padStart(2, '0')}.test`
}

/** Nothing is tried twice and nobody blamed, so that what is to be expected is simple; nothing ends by a timeout. */
function serviceOf(host: string, port: number): object {
  return {
    hosts: [host],
    pools: { main: { servers: { server: `http://127.0.0.1:${port}` } } },
    health: 'off',
    passive: { maxFails: 0 },
    retry: { attempts: 1 },
    timeouts: { response: '60s', idle: '60s' },
  }
}
