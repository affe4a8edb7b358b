// npm run screenshot: writes docs/dashboard.png, the dashboard of `npm start` during a rollout, under load. Takes two minutes. Ports
// 8080, 9900 and 9001 to 9004 must be free, and Chromium installed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { createClient } from '../src/client/create-client.ts'

const ROOT = join(import.meta.dirname, '..')
const FILE = join(ROOT, 'docs/dashboard.png')
const PROXY = 'http://127.0.0.1:8080/'
const ADMIN = 'http://127.0.0.1:9900/'
const CLIENTS = 12
/** Load before the rollout begins, and during it, ms: enough for a chart. */
const BEFORE_MS = 30_000
const DURING_MS = 75_000

const data = mkdtempSync(join(tmpdir(), 'cutover-screenshot-'))
const example = spawn(process.execPath, [join(ROOT, 'scripts/start.mjs')], {
  env: { ...process.env, CUTOVER_DATA: data },
  stdio: ['ignore', 'pipe', 'inherit'],
})
let isOver = false
try {
  await ready()
  const load = Promise.all(Array.from({ length: CLIENTS }, ask))
  await pause(BEFORE_MS)
  await createClient({ url: ADMIN }).rollouts.start('shop', { to: 'green', reason: 'release 2.0.0' })
  await pause(DURING_MS)
  await shoot()
  isOver = true
  await load
} finally {
  isOver = true
  example.kill('SIGTERM')
  await once(example, 'exit')
  rmSync(data, { recursive: true, force: true })
}

/** Waits until Cutover has said that it is ready; its access log is read and dropped. */
function ready(): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    example.stdout.on('data', (piece) => {
      if (text.length < 10_000) text += piece
      if (text.includes('cutover ready')) resolve()
    })
    example.once('exit', (code) => reject(new Error(`npm start has ended with exit code ${code}`)))
  })
}

/** Sends requests one after the other, some dozens a second. */
async function ask(): Promise<void> {
  while (!isOver) {
    await (await fetch(PROXY)).bytes()
    await pause(15)
  }
}

async function shoot(): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  })
  const page = await browser.newPage({ viewport: { width: 1240, height: 1080 }, colorScheme: 'light' })
  await page.goto(`${ADMIN}#/services/shop`)
  await page.getByLabel('2m').check()
  await page.locator('.plot canvas').first().waitFor()
  await pause(3_000)
  await page.screenshot({ path: FILE })
  await browser.close()
}
