// npm start: runs Cutover and the example apps. npm start -- --config FILE: runs only Cutover, with your own
// configuration.
import { join } from 'node:path'
import { ensureDashboard } from './lib/bundle.mjs'
import { relaySignals, runNode, startNode } from './lib/child.mjs'
import { main } from './lib/failure.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { root } from './lib/paths.mjs'

const cutover = join(root, 'src/main.ts')
/** Max time at the end for the reader of standard output to read what is left. */
const flushMs = 200

await main(async (args) => {
  await ensureInstalled()
  await ensureDashboard()
  return args.length > 0 ? (await runNode([cutover, 'run', ...args])).code : runExample()
})
// Output that nobody reads would keep this process alive.
setTimeout(() => process.exit(), flushMs).unref()

/** Runs the apps and Cutover. The apps start before Cutover's first health check and stop after its last request. */
async function runExample() {
  const apps = startNode([join(root, 'src/demo/main.ts')], 'pipe')
  let proxy
  let stopping = false
  relaySignals((signal) => {
    const stops = signal === 'SIGINT' || signal === 'SIGTERM'
    stopping ||= stops
    // Only SIGINT and SIGTERM are for the apps. Signals like SIGHUP have no effect before Cutover has started.
    if (proxy !== undefined && proxy.child.exitCode === null && proxy.child.signalCode === null) proxy.signal(signal)
    else if (stops) apps.signal(signal)
  })

  apps.child.stdout.pipe(process.stdout)
  await Promise.race([apps.ended, new Promise((resolve) => apps.child.stdout.once('data', resolve))])
  if (apps.child.exitCode !== null) return apps.child.exitCode || 1
  if (stopping) return apps.ended

  proxy = startNode([cutover, 'run', '--config', join(root, 'config/cutover.yaml')], 'pipe')
  proxy.child.stdout.pipe(process.stdout)
  whenReady(proxy.child.stdout, (address, admin) =>
    console.log(`
The dashboard is at ${admin}/

Try:
  curl ${address}/
  curl -X POST ${admin}/api/services/shop/switch
  curl ${admin}/api/services
`),
  )

  const appsFailed = apps.ended.then((code) => {
    proxy.child.kill('SIGTERM')
    return code || 1
  })
  const first = await Promise.race([appsFailed, proxy.ended])
  await proxy.ended
  apps.child.kill('SIGTERM')
  await apps.ended
  return first
}

/** Calls `callback` with the URLs of the proxy and the admin API once Cutover has printed them. */
function whenReady(stdout, callback) {
  let text = ''
  const onData = (chunk) => {
    text += chunk
    const line = /^cutover ready: proxy (\S+), admin (\S+)$/m.exec(text)
    if (!line) return
    stdout.off('data', onData)
    callback(line[1], line[2])
  }
  stdout.on('data', onData)
}
