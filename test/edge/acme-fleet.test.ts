import { afterEach, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { type AcmeInstance, AcmeStage } from './acme-stage.ts'

let stage: AcmeStage | null = null
afterEach(async () => {
  await stage?.stop()
  stage = null
})

const DOMAIN = 'www.example.test'

/** Three instances, which are not found by the ACME server yet. */
async function fleetOf(set: AcmeStage, challenge: string): Promise<readonly AcmeInstance[]> {
  const tls = { acme: set.section([DOMAIN], { challenge }) }
  const names = ['a', 'b', 'c']
  return Promise.all(
    names.map((name) => set.add(set.options(tls, { fleet: { name }, proxy: { workers: name === 'a' ? 2 : 0 } }))),
  )
}

/** Which of them orders: the one that has said so. */
async function orderer(instances: readonly AcmeInstance[]): Promise<AcmeInstance> {
  return until(() => instances.find(({ cutover }) => cutover.stderr.includes('ordering a certificate')))
}

test.each(['http-01', 'tls-alpn-01'])(
  'a fleet orders one certificate, and every instance answers for it: %s',
  async (challenge) => {
    stage = await AcmeStage.start({ isFleet: true })
    const set = stage
    const { acme } = stage
    let instances: readonly AcmeInstance[] = []
    let ordering: AcmeInstance | null = null
    // The server finds an instance that has not ordered.
    acme.beforeLook = async () => {
      ordering = await orderer(instances)
      set.found = instances.find((each) => each !== ordering) ?? null
    }
    instances = await fleetOf(stage, challenge)
    for (const each of instances) await stage.issued(each, DOMAIN)
    expect([acme.issued, acme.count('newOrder'), acme.count('finalize')]).toEqual([[DOMAIN], 1, 1])
    const { plain = 0, secure = 0 } = set.found ?? {}
    expect(acme.looks).toEqual([`${challenge} ${challenge === 'http-01' ? plain : secure}`])
    expect(set.found).not.toBe(ordering)

    const dump = await stage.dump()
    expect(dump).toContain('acmeCertificates/')
    expect(dump).toContain('BEGIN CERTIFICATE')
    expect(dump).not.toContain('PRIVATE KEY')
    for (const { cutover } of instances) expect(cutover.stderr).not.toContain('PRIVATE KEY')
    // The challenge has gone.
    await until(async () => (await set.documents('acmeChallenges')).length === 0)
    expect(await set.documents('acmeOrders')).toEqual([])

    // An instance with another secret does not start, and changes nothing.
    const other = { store: { secret: 'another secret, by mistake' }, fleet: { name: 'd' } }
    await expect(stage.add(stage.options({ acme: stage.section([DOMAIN]) }, other))).rejects.toThrow(
      / in the store cannot be decrypted with store\.secret/,
    )
    expect(acme.count('newOrder')).toBe(1)
  },
)

test.each(['look', 'issue'] as const)(
  'the orderer is killed while the server is to %s: another goes on',
  async (step) => {
    stage = await AcmeStage.start({ isFleet: true })
    const { acme } = stage
    let reached: () => void = () => undefined
    let proceed: () => void = () => undefined
    const isThere = new Promise<void>((resolve) => (reached = resolve))
    const gate = new Promise<void>((resolve) => (proceed = resolve))
    acme[step === 'look' ? 'beforeLook' : 'beforeIssue'] = () => {
      reached()
      return gate
    }
    const instances = await fleetOf(stage, 'http-01')
    await isThere
    const first = await orderer(instances)
    const left = instances.filter((each) => each !== first)
    stage.found = left[0] as AcmeInstance
    await first.cutover.stop('SIGKILL')
    const next = await until(() => left.find(({ cutover }) => cutover.stderr.includes('ordering a certificate')))
    proceed()
    for (const each of left) await stage.issued(each, DOMAIN)
    expect([acme.issued, acme.count('newOrder'), acme.count('newAccount')]).toEqual([[DOMAIN], 1, 1])
    expect(next.cutover.stderr).toContain('a certificate was issued')
  },
)

test('an instance that starts while Redis is away serves what it had', async () => {
  stage = await AcmeStage.start({ isFleet: true })
  const { redis } = stage
  const dataPath = `${stage.folder.path}/data`
  const tls = { acme: stage.section([DOMAIN]) }
  const options = stage.options(tls, { dataPath, fleet: { name: 'a' } })
  const one = await stage.add(options)
  await stage.issued(one, DOMAIN)
  await one.cutover.stop()
  await redis?.kill()
  const again = await stage.add(options)
  expect(await stage.served(again.secure, DOMAIN)).toBe(`DNS:${DOMAIN}`)
  const standing = await again.ordered(DOMAIN)
  expect([standing.error, standing.nextTry]).toEqual([null, null])
})

test('without store.secret, keys in Redis are in plain text, and that is said', async () => {
  stage = await AcmeStage.start({ isFleet: true })
  const one = await stage.add(stage.options({ acme: stage.section([DOMAIN]) }, { store: { secret: '' } }))
  await stage.issued(one, DOMAIN)
  expect(one.cutover.stderr).toMatch(/private keys of certificates are in Redis in plain text; set store\.secret/)
  expect(await stage.dump()).toContain('PRIVATE KEY')
})
