/** `npm run soak`: mixed load for minutes, with servers in trouble, and says whether a promise was broken. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { judge } from './judge.ts'
import { report, verdict } from './report.ts'
import { soak } from './soak.ts'

const USAGE = `Usage: npm run soak -- [--seconds N] [--json FILE]

Starts Cutover, servers that are never disturbed (the service "steady") and servers of which one is always in trouble
(the service "rough"), and puts load of every kind on both, while steady is switched, shifted and drained all the time.
No request to steady may fail; one to rough only as the trouble explains; and at the end the process has to take what it
took after the warm-up. Exit code: 0 all promises kept, 1 one was broken, 2 unusable arguments.

  --seconds N   how long (default 600)
  --json FILE   write the figures there too
  --help        this text`

const EXIT = { kept: 0, broken: 1, unusable: 2 }
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
// Clients and servers that were abandoned may still have something to wait for.
process.exit(await main())

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  const { seconds, json } = options
  try {
    const result = await soak({
      seconds,
      onProgress: (text) => process.stderr.write(`${text}\n`),
      signal: interrupted.signal,
    })
    const broken = judge(result)
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ ...result, broken }, null, 2)}\n`)
    await print(`${report(result)}\n${verdict(broken)}\n`)
    return broken.length === 0 ? EXIT.kept : EXIT.broken
  } catch (error) {
    console.error(interrupted.signal.aborted ? 'interrupted' : error)
    return EXIT.broken
  }
}

function readOptions(): { seconds: number; json: string | undefined } | number {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '600' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      return EXIT.kept
    }
    const seconds = wholeNumber('seconds', values.seconds)
    // That it cannot be written is better known now than in ten minutes.
    if (values.json !== undefined) closeSync(openSync(values.json, 'a'))
    return { seconds, json: values.json }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return EXIT.unusable
  }
}

function wholeNumber(name: string, text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new Error(`--${name} must be a whole number from 1 to 999999, not ${JSON.stringify(text)}`)
}

/** Resolves when it is out: the process ends right behind it. */
function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()))
}
