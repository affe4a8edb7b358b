import { computed, signal } from '@preact/signals'
import { ApiError, type Caller, type Client, createClient } from '../../../src/client/create-client.ts'

/** Name under which the tab keeps the token; it is gone when the tab is closed. */
const KEPT_AS = 'cutover-token'

/** The token to send with each call; empty = none. */
export const token = signal(sessionStorage.getItem(KEPT_AS) ?? '')

/** The API of the instance that has served the page. */
export const client = computed((): Client => {
  const { value } = token
  return createClient({ url: location.origin, ...(value === '' ? {} : { token: value }) })
})

/** Name and role of the token, and the instance; null = not known yet. */
export const caller = signal<Caller | null>(null)

/** Why a token is asked for; null = none is needed. */
export const tokenProblem = signal<string | null>(null)

/** Whether the token may change services and servers. */
export const mayOperate = computed(() => caller.value !== null && caller.value.role !== 'read')

/** Finds out who asks. Resolves to false if a token is needed. Throws if the API does not answer, or fails. */
export async function signIn(): Promise<boolean> {
  try {
    caller.value = await client.value.whoami()
    tokenProblem.value = null
    return true
  } catch (error) {
    if (!noteRefusedToken(error)) throw error
    return false
  }
}

/** Takes a token that somebody has entered; it is kept until the tab is closed. */
export async function takeToken(entered: string): Promise<boolean> {
  token.value = entered.trim()
  const isGood = await signIn()
  if (isGood) sessionStorage.setItem(KEPT_AS, token.value)
  else sessionStorage.removeItem(KEPT_AS)
  return isGood
}

export function signOut(): void {
  sessionStorage.removeItem(KEPT_AS)
  token.value = ''
  location.reload()
}

/** If the API has refused the token, or that there is none, has the page ask for another, and returns true. */
export function noteRefusedToken(error: unknown): boolean {
  // 429: many wrong tokens came from this address; a right one is let in at any time.
  if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 429)) return false
  caller.value = null
  tokenProblem.value = token.value === '' ? 'This instance asks for a token.' : error.detail
  return true
}
