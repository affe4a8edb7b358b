import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type HostName, type Lookup, Names, type NamesOptions } from '../../src/net/names.ts'

/** A lookup that answers when it is told to. */
class Answers {
  readonly pending: ((...addresses: string[]) => void)[] = []
  asked = 0
  private readonly waiting: (() => void)[] = []

  readonly lookup: Lookup = (name, _options, callback) => {
    this.asked++
    this.pending.push((...addresses) => {
      if (addresses.length > 0)
        callback(
          null,
          addresses.map((address) => ({ address, family: isIP(address) })),
        )
      else callback(Object.assign(new Error(`no ${name}`), { code: 'ENOTFOUND' }), [])
    })
    for (const resolve of this.waiting.splice(0)) resolve()
  }

  /** Answers the next question with these addresses; without any, the name does not exist. */
  async next(...addresses: string[]): Promise<void> {
    if (this.pending.length === 0) await new Promise<void>((resolve) => this.waiting.push(resolve))
    this.pending.shift()?.(...addresses)
  }
}

function start(options: NamesOptions = {}): { answers: Answers; host: HostName; names: Names } {
  const answers = new Answers()
  const names = new Names({ lookup: answers.lookup, refreshMs: 5, recheckMs: 0, ...options })
  return { answers, names, host: names.host('app.test') }
}

function lookUp(host: HostName): Promise<string[]> {
  return new Promise((resolve, reject) => {
    host.lookup(host.name, { all: true }, (error, found) => {
      if (error === null) resolve((found as LookupAddress[]).map(({ address }) => address))
      else reject(error)
    })
  })
}

test('the first lookup is waited for, and shared by all that wait', async () => {
  const { answers, host, names } = start()
  expect(names.host('app.test')).toBe(host)
  const found = Promise.all([lookUp(host), lookUp(host)])
  await answers.next('10.0.0.1')
  expect(await found).toEqual([['10.0.0.1'], ['10.0.0.1']])
  expect(answers.asked).toBe(1)
})

test('a name that does not exist is asked for again by the next connection', async () => {
  const { answers, host } = start()
  const first = lookUp(host)
  await answers.next()
  await expect(first).rejects.toMatchObject({ code: 'ENOTFOUND' })
  const second = lookUp(host)
  await answers.next('10.0.0.1')
  expect(await second).toEqual(['10.0.0.1'])
})

test('a name that moves is noticed, without anybody asking for it', async () => {
  const { answers, host } = start()
  void lookUp(host)
  await answers.next('10.0.0.1')
  expect(host.moves).toBe(0)
  await answers.next('10.0.0.2')
  expect([await lookUp(host), host.moves]).toEqual([['10.0.0.2'], 1])
})

test('a name that stops resolving, or whose lookup hangs, keeps its last addresses', async () => {
  const { answers, host } = start()
  void lookUp(host)
  await answers.next('10.0.0.1', '10.0.0.2')
  for (let i = 0; i < 3; i++) await answers.next()
  expect([await lookUp(host), host.moves]).toEqual([['10.0.0.1', '10.0.0.2'], 0])
  // The lookup that is under way now is never answered.
  await delay(20)
  expect(await lookUp(host)).toEqual(['10.0.0.1', '10.0.0.2'])
})

test('the order in which a DNS server gives addresses is no move; the family that the system prefers goes first', async () => {
  const { answers, host } = start()
  void lookUp(host)
  await answers.next('::2', '10.0.0.2', '10.0.0.1', '::1')
  expect(await lookUp(host)).toEqual(['::1', '::2', '10.0.0.1', '10.0.0.2'])
  await answers.next('::1', '10.0.0.1', '::2', '10.0.0.2')
  expect(host.moves).toBe(0)
})

test('a failure to connect has the name looked up at once, but not again and again', async () => {
  const { answers, host } = start({ refreshMs: 60_000, recheckMs: 50 })
  void lookUp(host)
  await answers.next('10.0.0.1')
  await delay(60)
  for (let i = 0; i < 10; i++) host.recheck()
  await answers.next('10.0.0.2')
  for (let i = 0; i < 10; i++) host.recheck()
  expect([await lookUp(host), answers.asked]).toEqual([['10.0.0.2'], 2])
})
