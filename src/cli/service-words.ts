import type { Pool, Server, Service } from '../client/create-client.ts'

/** A share, such as `12.5 %`. */
export function percent(value: number): string {
  return `${Math.round(value * 100) / 100} %`
}

/** Where the requests go: `all requests to green`, or `blue 95 %, green 5 %`. */
export function splitText(split: Service['split']): string {
  const shares = Object.entries(split).filter(([, share]) => share > 0)
  const [first] = shares
  if (first === undefined) return 'no requests to any pool'
  return shares.length === 1
    ? `all requests to ${first[0]}`
    : shares.map(([pool, share]) => `${pool} ${percent(share)}`).join(', ')
}

/** What happens to the requests of a service, in a few words. */
export function routingText({ split, mode }: Pick<Service, 'split' | 'mode'>): string {
  if (mode === 'paused') return 'paused, requests are held'
  if (mode === 'stopped') return 'stopped, requests are answered with a message'
  return splitText(split)
}

/** What is particular about a service now: a line each. */
export function conditionsOf(service: Service): string[] {
  const { mode, rollout, deploying, handover, freeze } = service
  const lines: string[] = []
  if (mode !== 'serving') lines.push(routingText(service))
  if (rollout !== undefined) {
    const reason = rollout.reason === null ? '' : ` (${rollout.reason})`
    lines.push(`rollout ${rollout.id} to ${rollout.to}: ${rollout.state}${reason}, ${percent(rollout.weight)}`)
  }
  if (deploying !== undefined) lines.push(`a deploy to ${deploying.pool} waits for its servers, by ${deploying.by}`)
  if (handover !== undefined) {
    const waits = handover.waitsFor.map(({ pool, server, reason }) => `${pool}/${server} (${reason})`).join(', ')
    lines.push(`the definition before this one serves until these are up: ${waits}`)
  }
  if (freeze !== undefined) lines.push(`frozen by ${freeze.by}${freeze.reason === null ? '' : `: ${freeze.reason}`}`)
  return lines
}

/** Why a server takes no requests, or is about to; empty = it is well. */
export function troubleOf({ state, health, lastProbe, inFlight, drained }: Server): string {
  if (state !== 'ready') return drained ? `${state}, drained` : `${state}, ${inFlight} in flight`
  if (health === 'up') return ''
  if (health === 'unknown') return 'not checked yet'
  const error = health === 'down' ? lastProbe?.error : null
  return error ? `${health}: ${error}` : health
}

/** Servers up, of those that are not being removed: `2/2`. */
export function upText({ up, servers }: Pool): string {
  return `${up}/${servers.filter(({ state }) => state !== 'leaving').length}`
}
