// npm run rooms: writes the lists of biome.json that say which room may import which; docs/architecture.md says what the rooms are.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const CONFIG = new URL('../biome.json', import.meta.url)

/**
 * By room, a folder of src/: the rooms, folders of rooms, and files beside it that it may import. Imports of types count.
 */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  model: [],
  time: [],
  hooks: ['model'],
  http1: [],
  http2: ['http1'],
  net: ['model'],
  edge: ['model', 'net', 'http1'],
  config: ['model', 'net', 'hooks', 'edge'],
  store: ['model'],
  health: ['model', 'net', 'time'],
  discovery: ['model', 'net', 'time'],
  telemetry: ['model', 'version.ts'],
  proxy: ['model', 'net', 'telemetry', 'time', 'http1', 'http2', 'hooks', 'edge'],
  control: ['model', 'net', 'time', 'config', 'store', 'health', 'discovery', 'telemetry', 'edge'],
  rollout: ['model', 'net', 'time', 'config', 'store', 'health', 'telemetry', 'control'],
  admin: ['model', 'net', 'edge', 'config', 'store', 'health', 'telemetry', 'control', 'rollout', 'version.ts'],
  process: [...['model', 'net', 'time', 'config', 'store', 'health', 'telemetry', 'proxy', 'control'], 'instance.ts'],
  client: [],
  import: ['model', 'config'],
  // The judge is pure: `cutover rollout simulate` asks it without an instance.
  cli: ['client', 'rollout/judge', 'import', 'version.ts'],
  demo: [],
}
/** Files of src/ that stand beside the rooms. */
const FILES = [
  ...['main.ts', 'index.ts', 'command-line.ts', 'check-command.ts', 'run-command.ts'],
  ...['create-cutover.ts', 'instance.ts', 'name-warnings.ts', 'version.ts'],
]

/** A hooks file exports its hooks as its default export. */
const HOOK_FILES = {
  includes: ['examples/hooks/**', 'test/hooks/files/**'],
  linter: { rules: { style: { noDefaultExport: 'off' } } },
}

/** The `overrides` of biome.json: for each room, what it may not import. */
export function roomOverrides(): object[] {
  const all = [...Object.keys(ROOMS), ...FILES]
  const rooms = Object.entries(ROOMS).map(([room, allowed]) => {
    const refused = all.filter((each) => each !== room && !allowed.includes(each))
    const folders = allowed.filter((each) => each.includes('/')).map((each) => `**/${each}/**`)
    const group = refused.flatMap(patternsOf).filter((pattern) => !folders.includes(pattern))
    const may = allowed.length === 0 ? 'no other room' : allowed.join(', ')
    const message = `${room} may import ${may}; see docs/architecture.md`
    const options = { patterns: [{ group, message }] }
    return {
      includes: [`src/${room}/**`],
      linter: { rules: { style: { noRestrictedImports: { level: 'error', options } } } },
    }
  })
  return [...rooms, HOOK_FILES]
}

/** Rooms whose name a folder within another room has as well: proxy/client/ and model/rollout/. */
const NAMESAKES: readonly string[] = ['client', 'rollout']

/** How imports of a room or a file look. */
function patternsOf(name: string): string[] {
  if (name.endsWith('.ts')) return [`**/${name}`]
  if (!NAMESAKES.includes(name)) return [`**/${name}/**`]
  // The namesake has other files and folders in it.
  const entries = readdirSync(new URL(`../src/${name}`, import.meta.url), { withFileTypes: true })
  return entries.map((entry) => `**/${name}/${entry.name}${entry.isDirectory() ? '/**' : ''}`).sort()
}

if (process.argv[1] === import.meta.filename) {
  const config = JSON.parse(readFileSync(CONFIG, 'utf8'))
  writeFileSync(CONFIG, `${JSON.stringify({ ...config, overrides: roomOverrides() }, null, 2)}\n`)
}
