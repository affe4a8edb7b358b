import { type Kind, SERVICES } from './figures.ts'
import { aborted } from './kinds/aborted.ts'
import { download, slowReader, upload } from './kinds/large.ts'
import { pipelined } from './kinds/pipelined.ts'
import { get, noKeepAlive, post } from './kinds/small.ts'
import { sse } from './kinds/streams.ts'
import { websocket } from './kinds/websocket.ts'
import { Lane } from './lane.ts'
import { Pace } from './pace.ts'
import type { Tally } from './tally.ts'

interface Plan {
  readonly make: (lane: Lane) => Promise<void>
  /** Clients at each service. */
  readonly lanes: number
  /** Between two requests of a client, on a machine with nothing else to do. */
  readonly pauseMs: number
}

const PLANS: Readonly<Record<Kind, Plan>> = {
  get: { make: get, lanes: 12, pauseMs: 5 },
  post: { make: post, lanes: 4, pauseMs: 20 },
  download: { make: download, lanes: 1, pauseMs: 150 },
  upload: { make: upload, lanes: 1, pauseMs: 150 },
  'slow reader': { make: slowReader, lanes: 2, pauseMs: 50 },
  aborted: { make: aborted, lanes: 3, pauseMs: 50 },
  websocket: { make: websocket, lanes: 6, pauseMs: 50 },
  sse: { make: sse, lanes: 4, pauseMs: 50 },
  pipelined: { make: pipelined, lanes: 2, pauseMs: 60 },
  'no keep-alive': { make: noKeepAlive, lanes: 2, pauseMs: 40 },
}

export interface LoadOptions {
  /** Of the proxy. */
  readonly port: number
  readonly tally: Tally
  readonly streamMs: number
}

/** Clients of every kind at both services, from the beginning until they are told to end. */
export class Load {
  readonly pace = new Pace()
  private readonly lanes: Lane[] = []
  /** Rejects when a client cannot go on: a fault of the script. */
  readonly running: Promise<unknown>
  private ending = false

  constructor({ port, tally, streamMs }: LoadOptions) {
    const pause = (ms: number) => this.pace.pause(ms)
    const traffic = { port, tally, streamMs, pause }
    for (const service of SERVICES) {
      for (const [kind, { lanes }] of Object.entries(PLANS) as [Kind, Plan][]) {
        for (let i = 0; i < lanes; i++) this.lanes.push(new Lane(traffic, service, kind, i))
      }
    }
    this.running = Promise.all(this.lanes.map((lane) => this.drive(lane)))
  }

  /** Sends nothing new; resolves when all is answered. Idle connections stay open: to close them is up to the proxy. */
  async end(): Promise<void> {
    this.ending = true
    await this.running
    this.pace.stop()
  }

  /** Hangs up on everything. */
  abandon(): void {
    this.ending = true
    this.pace.stop()
    for (const lane of this.lanes) lane.drop()
  }

  private async drive(lane: Lane): Promise<void> {
    const { make, pauseMs } = PLANS[lane.kind]
    while (!this.ending) {
      await make(lane)
      await lane.traffic.pause(pauseMs)
    }
  }
}
