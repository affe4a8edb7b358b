import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { endAll, endWithAll } from './support.ts'

afterEach(endAll)

/** Starts an instance that must fail to listen; resolves with its standard error. `proxy` and `admin`: addresses. */
async function refusedStart(workers: number, proxy: string, admin = '127.0.0.1:0'): Promise<string> {
  const cutover = await Cutover.launch({ services: {}, proxy: { listen: proxy, workers }, admin: { listen: admin } })
  endWithAll(() => cutover.stop('SIGKILL'))
  expect((await cutover.exited).code).toBe(1)
  return cutover.stderr
}

const ABSENT = 'no interface of this machine has that address'

test.each([0, 2])('a failure to listen names the address and its key: workers %i', async (workers) => {
  // TEST-NET-1: no machine has this address.
  const foreign = await refusedStart(workers, '192.0.2.1:8080')
  expect(foreign).toContain(`proxy.listen: cannot listen on 192.0.2.1:8080: ${ABSENT}`)
  const unnamed = await refusedStart(workers, 'nobody.invalid:8080')
  expect(unnamed).toMatch(
    /^proxy\.listen: cannot listen on nobody\.invalid:8080: (that name has no address|the name server)/m,
  )
  const folder = await refusedStart(workers, '127.0.0.1:0', 'unix:/nope/x.sock')
  expect(folder).toContain(
    'admin.listen: cannot listen on unix:/nope/x.sock: the folder /nope does not exist or cannot be entered',
  )
})
