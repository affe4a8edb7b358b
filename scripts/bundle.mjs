// Bundles src/ and the packages into dist/, so that an instance starts in a third of the time: most of a start is spent on
// finding and reading 1,500 modules.
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rolldown } from 'rolldown'
import { main } from './lib/failure.mjs'
import { root } from './lib/paths.mjs'

const src = join(root, 'src')
const dist = join(root, 'dist')
const fresh = join(root, 'dist.new')
/** Packages that are not bundled: one reads files beside its modules, the others are loaded only for tracing. */
const external = [/^@fastify\/swagger-ui$/, /^@opentelemetry\//]
/** Files that are started or imported from outside, by the names of their bundles. */
const entries = {
  main: 'main.ts',
  index: 'index.ts',
  client: 'client/create-client.ts',
  'control-main': 'process/control-main.ts',
  'worker-main': 'process/worker-main.ts',
  'ignored-signals': 'process/ignored-signals.ts',
}

await main(async () => {
  rmSync(fresh, { recursive: true, force: true })
  const input = Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, join(src, file)]))
  const build = await rolldown({ input, platform: 'node', external })
  await build.write({ dir: fresh, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' })
  await build.close()
  cpSync(join(src, 'store/redis/lua'), join(fresh, 'lua'), { recursive: true })
  takePlace()
  return 0
})

/** Puts each file in its place in one step: programs start from dist/ meanwhile, such as other tests beside that of npm pack. */
function takePlace() {
  const isInLua = (file) => file.startsWith('lua')
  // lua/ comes last: its time is that of the bundle.
  const files = filesIn(fresh).sort((a, b) => isInLua(a) - isInLua(b))
  for (const file of files) {
    mkdirSync(dirname(join(dist, file)), { recursive: true })
    renameSync(join(fresh, file), join(dist, file))
  }
  rmSync(fresh, { recursive: true })
  const isOfDashboard = (file) => file.startsWith('dashboard/')
  for (const file of filesIn(dist)) if (!files.includes(file) && !isOfDashboard(file)) rmSync(join(dist, file))
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}
