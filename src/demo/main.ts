import { parseArgs } from 'node:util'
import { type App, startApp } from './app.ts'

const APPS = [
  { name: 'blue1', version: '1.0.0' },
  { name: 'blue2', version: '1.0.0' },
  { name: 'green1', version: '2.0.0' },
  { name: 'green2', version: '2.0.0' },
]

const USAGE = 'usage: node src/demo/main.ts [--only NAME]… [--port FIRST] [--host ADDRESS]'

function fail(exitCode: number, message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(exitCode)
}

function readOptions(): { only: string[]; firstPort: number; host: string } {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        port: { type: 'string', default: '9001' },
        host: { type: 'string', default: '127.0.0.1' },
      },
    })
    const names = APPS.map(({ name }) => name)
    const { only = names, port, host } = values
    for (const name of only) {
      if (!names.includes(name)) throw new Error(`There is no app ${name}; the apps are ${names.join(', ')}.`)
    }
    const firstPort = Number(port)
    const lastPort = firstPort + APPS.length - 1
    if (!/^\d+$/.test(port) || firstPort === 0 || lastPort > 65_535) throw new Error(`${port} is not a usable port.`)
    return { only, firstPort, host }
  } catch (error) {
    return fail(2, `${error instanceof Error ? error.message : error}\n${USAGE}`)
  }
}

async function start(name: string, version: string, port: number, host: string): Promise<App> {
  try {
    return await startApp({ name, version, port, host })
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    return fail(1, `${name} cannot start: ${taken ? `port ${port} is taken` : error}`)
  }
}

const { only, firstPort, host } = readOptions()
const wanted = APPS.map((app, i) => ({ ...app, port: firstPort + i })).filter(({ name }) => only.includes(name))
const running = await Promise.all(wanted.map(({ name, version, port }) => start(name, version, port, host)))

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void Promise.all(running.map((app) => app.close())))
}
for (const [i, { name, version }] of wanted.entries()) {
  process.stdout.write(`${name.padEnd(6)}  version ${version}  ${running[i]?.url}\n`)
}
