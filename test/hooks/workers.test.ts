import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pids } from '../process/support.ts'
import { until } from '../support/until.ts'
import { HookedShop } from './support.ts'

let shop: HookedShop
beforeAll(async () => {
  shop = await HookedShop.start({ proxy: { workers: 2 } })
})
afterAll(() => shop.stop())

/** Answers with a text and the process that has run the hook. */
const answering = (text: string) => `request() { return { status: 200, body: '${text} ' + process.pid } }`

/** Asks on new connections until every worker has answered; each says the text. */
async function expectEverywhere(text: string): Promise<void> {
  const workers = await pids(shop.cutover, 'worker')
  const missing = new Set(workers.map(String))
  while (missing.size > 0) {
    const [said, pid = ''] = (await shop.whoAnswers('/', { headers: { connection: 'close' } })).split(' ')
    expect(said).toBe(text)
    missing.delete(pid)
  }
}

test('every worker has the hooks of the start, and each reload is in all of them when it is answered', async () => {
  await shop.use(answering('first'))
  await expectEverywhere('first')
  for (let i = 0; i < 10; i++) {
    await shop.use(answering(`version${i}`))
    await expectEverywhere(`version${i}`)
  }
})

test('a worker that dies or is replaced gets the hooks in force, not those of the file', async () => {
  await shop.use(answering('inForce'))
  await shop.write('hooks.ts', 'export default { request(')
  const before = await pids(shop.cutover, 'worker')
  process.kill(before[0] as number, 'SIGKILL')
  await until(async () => {
    const now = await pids(shop.cutover, 'worker')
    return now.length === 2 && !now.includes(before[0] as number)
  })
  await expectEverywhere('inForce')
  const killed = await pids(shop.cutover, 'worker')
  shop.cutover.process.kill('SIGUSR2')
  await until(async () => {
    const now = await pids(shop.cutover, 'worker')
    return now.length === 2 && now.every((pid) => !killed.includes(pid))
  })
  await expectEverywhere('inForce')
})

test('a new control process keeps the hooks in force, without running them anew in the workers', async () => {
  await shop.use(`let count = 0
    export default { request() { return { status: 200, body: 'kept ' + process.pid + ' ' + ++count } } }`)
  await expectEverywhere('kept')
  const [control = 0] = await pids(shop.cutover, 'control')
  process.kill(control, 'SIGKILL')
  await until(async () => {
    const now = await pids(shop.cutover, 'control').catch(() => [control])
    return now[0] !== control
  })
  await expectEverywhere('kept')
  expect(Number((await shop.whoAnswers()).split(' ')[2])).toBeGreaterThan(1)
})

test('hooks that only a worker cannot use: the reload says so, and those before are in force everywhere', async () => {
  await shop.use(answering('good'))
  // Two workers cannot both have made the file.
  const { status, body } = await shop.reload(`import { openSync } from 'node:fs'
    import { basename } from 'node:path'
    if (/worker-main/.test(basename(process.argv[1] ?? ''))) openSync('${shop.folder}/taken', 'wx')
    export default { ${answering('bad')} }`)
  expect([status, body.problems[0].path]).toEqual([422, 'proxy.hooks'])
  expect(body.problems[0].message).toContain(`${shop.folder}/hooks.ts:3: Error: EEXIST`)
  expect(readFileSync(`${shop.folder}/taken`, 'utf8')).toBe('')
  await expectEverywhere('good')
})

test('hooks that never end loading, in control or in a worker alone, are refused, and no process is replaced', async () => {
  await shop.use(answering('good'))
  const processes = async () => [...(await pids(shop.cutover, 'worker')), ...(await pids(shop.cutover, 'control'))]
  const before = await processes()
  for (const role of ['control', 'worker']) {
    const { status, body } = await shop.reload(`import { basename } from 'node:path'
      if (basename(process.argv[1] ?? '').startsWith('${role}-main')) for (;;);
      export default { ${answering('bad')} }`)
    expect([role, status, body.problems[0].path]).toEqual([role, 422, 'proxy.hooks'])
    expect(body.problems[0].message).toContain(`${shop.folder}/hooks.ts: was not loaded within 5 s`)
    await expectEverywhere('good')
  }
  expect(await processes()).toEqual(before)
})
