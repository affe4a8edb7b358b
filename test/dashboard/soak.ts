/** `npm run soak:dashboard`: the dashboard open for an hour under 100 events a second, and whether its memory stays flat. */
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Cutover } from '../support/cutover.ts'
import { atEnd, endTest } from '../support/endings.ts'
import { startUpstream } from '../support/upstream.ts'
import { EventsSource } from './events-source.ts'
import { PlainChromium, type PlainPage } from './plain-chromium.ts'

const USAGE = `Usage: npm run soak:dashboard -- [--seconds N] [--rate N]

Opens three views of the dashboard in Chromium, and changes weights of servers so that events come in all the time. Prints
the memory of each page after a collection of garbage, once a minute. Exit code: 0 = in the last third of the time each page
needs at most 10 % more than in the first third; 1 = one needs more; 2 = unusable arguments.

  --seconds N   how long (default 3600)
  --rate N      events a second (default 100)
  --help        this text`

const SERVICES = 20
const VIEWS = { overview: '', service: '#/services/service-0', events: '#/events' }
/** Pages settle before the first figure counts, ms. */
const WARM_UP_MS = 30_000
const LOOKS = { everyMs: 60_000, min: 6 }
const MAX_GROWTH = 1.1
/** A page that shows nothing has fewer. */
const MIN_NODES = 300
/** The least part of the rate that has to be reached. */
const MIN_RATE = 0.9

interface OpenPage {
  readonly name: string
  readonly page: PlainPage
}

interface Figures {
  readonly heapMb: number
  readonly nodes: number
}

process.exit(await main())

async function main(): Promise<number> {
  let seconds: number
  let rate: number
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '3600' },
        rate: { type: 'string', default: '100' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return 0
    }
    seconds = atLeastOne('seconds', values.seconds)
    rate = atLeastOne('rate', values.rate)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    return 2
  }
  return (await soak(seconds, rate)) ? 0 : 1
}

function atLeastOne(name: string, text: string): number {
  const value = Number(text)
  if (!(value >= 1)) throw new Error(`--${name} is a number from 1, not ${JSON.stringify(text)}`)
  return value
}

/** Resolves to whether the memory of each page stayed flat. Rejects if the events did not come at this rate. */
async function soak(seconds: number, rate: number): Promise<boolean> {
  try {
    const server = await startUpstream()
    atEnd(() => server.close())
    const pools = { blue: { servers: { b1: server.url } }, green: { servers: { g1: server.url } } }
    const definition = (i: number) => ({ hosts: [`s${i}.test`], pools, split: { blue: 100 } })
    const services = Object.fromEntries(Array.from({ length: SERVICES }, (_, i) => [`service-${i}`, definition(i)]))
    const cutover = await Cutover.start({ services })
    atEnd(() => cutover.stop('SIGKILL'))
    const browser = await PlainChromium.start()
    atEnd(() => browser.stop())
    const events = new EventsSource(cutover.admin, SERVICES, rate)
    atEnd(() => events.stop())
    const pages: OpenPage[] = []
    for (const [name, view] of Object.entries(VIEWS)) {
      pages.push({ name, page: await browser.open(`${cutover.admin}/${view}`) })
    }
    return await watch(pages, events, seconds, rate)
  } finally {
    await endTest()
  }
}

async function watch(
  pages: readonly OpenPage[],
  events: EventsSource,
  seconds: number,
  rate: number,
): Promise<boolean> {
  await pause(WARM_UP_MS)
  const before = events.made
  const looks = Math.max(LOOKS.min, Math.round((seconds * 1_000) / LOOKS.everyMs))
  const found: Record<string, Figures>[] = []
  for (let i = 1; i <= looks; i++) {
    await pause((seconds * 1_000) / looks)
    const figures = await Promise.all(pages.map(async ({ name, page }) => [name, await measure(page)] as const))
    found.push(Object.fromEntries(figures))
    console.log(`${Math.round((i * seconds) / looks)} s, ${events.made} events: ${text(figures)}`)
  }
  const made = (events.made - before) / seconds
  if (made < MIN_RATE * rate) throw new Error(`only ${made.toFixed(1)} events a second were made`)
  const heapsOf = (name: string): number[] => found.flatMap((each) => each[name]?.heapMb ?? [])
  return pages.map(({ name }) => isFlat(name, heapsOf(name))).every((flat) => flat)
}

async function measure(page: PlainPage): Promise<Figures> {
  await page.send('HeapProfiler.collectGarbage')
  const { usedSize } = await page.send('Runtime.getHeapUsage')
  const { nodes } = await page.send('Memory.getDOMCounters')
  if (Number(nodes) < MIN_NODES) throw new Error(`a page has ${nodes} nodes: it does not show what it should`)
  return { heapMb: Number(usedSize) / 1_048_576, nodes: Number(nodes) }
}

function text(figures: readonly (readonly [name: string, Figures])[]): string {
  return figures.map(([name, { heapMb, nodes }]) => `${name} ${heapMb.toFixed(1)} MB, ${nodes} nodes`).join('; ')
}

function isFlat(name: string, heaps: readonly number[]): boolean {
  const third = Math.floor(heaps.length / 3)
  const [first, last] = [median(heaps.slice(0, third)), median(heaps.slice(-third))]
  const flat = last <= first * MAX_GROWTH
  console.log(
    `${name}: ${first.toFixed(2)} MB in the first third, ${last.toFixed(2)} in the last: ${flat ? 'flat' : 'it grows'}`,
  )
  return flat
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
