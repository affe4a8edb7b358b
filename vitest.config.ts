import { defineConfig } from 'vitest/config'
import { SummaryReporter } from './test/support/summary-reporter.ts'

/** What takes minutes, or a whole machine: `npm run test:all` runs it, too. */
const LONG = [
  'test/attack/attack.test.ts',
  'test/chaos/chaos.test.ts',
  'test/fleet/{cohorts,rollout-leader,rollout-many,rollout-store-away,rollout-traffic}.test.ts',
  'test/hooks/leak.test.ts',
  'test/process/many-servers.test.ts',
  'test/soak/process.test.ts',
  'test/traffic/handover-random/handover-random.test.ts',
]

// biome-ignore lint/style/noDefaultExport: this is where vitest looks for its configuration
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: process.env.LONG === undefined ? LONG : [],
    globalSetup: ['test/global-setup.mjs'],
    setupFiles: ['test/setup.ts'],
    reporters: ['default', new SummaryReporter()],
    // Real sockets and real processes, on machines with two cores. Most tests wait for most of their time: two workers a core.
    pool: 'forks',
    maxWorkers: 4,
    // Files share the processes of the workers: starting one per file costs as much CPU as the tests of most files.
    isolate: false,
    // A fleet is a dozen processes. Only what waits for long sets more: `vi.setConfig` outside of a file of tests would hold
    // for the first file alone, since modules are loaded once for many files.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
