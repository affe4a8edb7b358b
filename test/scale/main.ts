/** `npm run scale`: measures a large fleet, simulated in this process, on one Redis. */
import { parseArgs } from 'node:util'
import { scale } from './scale.ts'

const USAGE = `Usage: npm run scale -- [--instances N] [--seconds N] [--servers N]

Simulates the fleet's half of many instances in one process, each with its own connections to a real Redis: heartbeats,
ticks and the feed; first without changes, then with one change a second. docs/scale.md says what follows from it.

  --instances N   how many (default 200)
  --seconds N     how long each part takes (default 30)
  --servers N     servers with requests in each second, at every instance (default 40)
  --help          this text`

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
process.exit(await main())

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  try {
    const result = await scale({
      ...options,
      signal: interrupted.signal,
      onProgress: (text) => process.stderr.write(`${text}\n`),
    })
    console.log(JSON.stringify(result, null, 2))
    return 0
  } catch (error) {
    console.error(interrupted.signal.aborted ? 'interrupted' : error)
    return 1
  }
}

function readOptions(): { instances: number; seconds: number; servers: number } | number {
  try {
    const { values } = parseArgs({
      options: {
        instances: { type: 'string', default: '200' },
        seconds: { type: 'string', default: '30' },
        servers: { type: 'string', default: '40' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return 0
    }
    return {
      instances: wholeNumber('instances', values.instances),
      seconds: wholeNumber('seconds', values.seconds),
      servers: wholeNumber('servers', values.servers),
    }
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    return 2
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: expected a whole number of at least 1`)
  return value
}
