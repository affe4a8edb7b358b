import type { Crowd, Target } from '../crowd.ts'
import type { Attack } from './attack.ts'

const DEPTH = 400_000

/** Requests that the admin API has to refuse. */
export const ADMIN: readonly Attack[] = [
  {
    name: 'wrong tokens',
    run: (crowd, target) =>
      crowd.lanes(16, (lane) => ask(crowd, target, 'GET', `wrong-token-${lane}-${Math.random()}`, undefined)),
  },
  {
    name: 'deep JSON',
    run: (crowd, target) =>
      crowd.lanes(4, (lane) =>
        ask(crowd, target, 'PATCH', target.token, lane % 2 === 0 ? '['.repeat(DEPTH) : '{"a":'.repeat(DEPTH / 5)),
      ),
  },
]

async function ask(crowd: Crowd, { adminPort }: Target, method: string, token: string, body?: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/api/services/shop`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(5_000),
  })
  await response.text()
  crowd.count(`status ${response.status}`)
}
