import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AUTHORITY } from '../support/certificates.ts'
import { Cutover } from '../support/cutover.ts'
import { Lane } from './lane.ts'
import type { LaneKind } from './lane-kind.ts'
import { FuzzServer } from './server.ts'

/** Two listeners: without PROXY headers, and with them. */
const PROXY = {
  listen: ['127.0.0.1:0', { address: '127.0.0.1:0', proxyProtocol: true }],
  trustedProxies: ['127.0.0.1/32'],
}

/** A proxy with lanes: in each, a host and a server behind it. What happens in one concerns no other. */
export class Arena {
  readonly lanes: readonly Lane[]
  cutover: Cutover
  private readonly services: object
  /** Folder of the certificate authority's file. */
  private readonly folder: string
  private restarting: Promise<void> | null = null

  private constructor(lanes: readonly LaneServer[], services: object, folder: string, cutover: Cutover) {
    this.services = services
    this.folder = folder
    this.cutover = cutover
    this.lanes = lanes.map(({ kind, server }, i) => new Lane(this, server, hostOf(i), kind))
  }

  static async start(kinds: readonly LaneKind[]): Promise<Arena> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-fuzz-'))
    const ca = join(folder, 'ca.pem')
    await writeFile(ca, AUTHORITY)
    const lanes = await Promise.all(
      kinds.map(async (kind) => ({ kind, server: await FuzzServer.start(kind.isSecure) })),
    )
    const services = Object.fromEntries(lanes.map((lane, i) => [`lane${i}`, serviceOf(hostOf(i), lane, ca)]))
    return new Arena(lanes, services, folder, await Cutover.start({ services, proxy: PROXY }))
  }

  async stop(): Promise<void> {
    await this.cutover.stop('SIGKILL')
    await Promise.all(this.lanes.map(({ server }) => server.close()))
    await rm(this.folder, { recursive: true })
  }

  get hasCrashed(): boolean {
    return this.cutover.process.exitCode !== null || this.cutover.process.signalCode !== null
  }

  /** Port for the clients of a lane. */
  portFor({ isAnnounced }: LaneKind): number {
    const [, addresses = ''] = /^cutover ready: proxy (.+), admin /m.exec(this.cutover.stdout) ?? []
    return Number(new URL(addresses.split(' ')[isAnnounced ? 1 : 0] ?? '').port)
  }

  /** A proxy that has crashed is replaced, so that the smallest case that does it can be found. */
  async revive(): Promise<void> {
    if (!this.hasCrashed) return
    this.restarting ??= Cutover.start({ services: this.services, proxy: PROXY }).then((cutover) => {
      this.cutover = cutover
      this.restarting = null
    })
    await this.restarting
  }
}

interface LaneServer {
  readonly kind: LaneKind
  readonly server: FuzzServer
}

function hostOf(lane: number): string {
  return `lane${String(lane).padStart(2, '0')}.test`
}

/** Nobody is blamed, and nothing ends by a timeout, so that what is to be expected is simple. */
function serviceOf(host: string, { kind, server }: LaneServer, ca: string): object {
  const address = `127.0.0.1:${server.port}`
  const place = kind.isSecure ? { url: `https://${address}`, tls: { ca } } : `http://${address}`
  return {
    hosts: [host],
    pools: { main: { servers: { server: place } } },
    health: 'off',
    passive: { maxFails: 0 },
    retry: kind.isRetried ? { attempts: 2, budget: '100%' } : { attempts: 1 },
    timeouts: { response: '60s', idle: '60s' },
  }
}
