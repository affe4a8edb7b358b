import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest'

/** How long something may take to appear in the page, ms. Four files run at once, on two cores. */
const PATIENCE_MS = 50_000
/** What the browser itself logs when an answer is no success. */
const REFUSED = /^Failed to load resource: the server responded with a status of (\d+)/

export interface VisitOptions extends BrowserContextOptions {
  /** Statuses of answers that the test provokes; the browser logs each as an error. */
  readonly statuses?: readonly number[]
  /** Other errors that the test provokes. */
  readonly provoked?: RegExp
}

/** The browser of a file of tests. Each visit has cookies and storage of its own, and ends with its test. */
export class Visits {
  private running: Browser | null = null
  private open: { readonly page: Page; readonly faults: readonly string[] }[] = []

  get browser(): Browser {
    if (this.running === null) throw new Error('the browser is not started')
    return this.running
  }

  async start(): Promise<void> {
    this.running = await chromium.launch({
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    })
  }

  /** Opens an address in a new window, and notes what goes wrong there. `view`: what stands behind the #. */
  async to(url: string, view = '', options: VisitOptions = {}): Promise<Page> {
    const page = await this.blank(url, options)
    await page.goto(`${url}/${view}`)
    return page
  }

  /** A new window that has not gone anywhere, for pages of the origin `url`. */
  async blank(url: string, { statuses = [], provoked, ...options }: VisitOptions = {}): Promise<Page> {
    const context = await this.browser.newContext({ reducedMotion: 'reduce', ...options })
    context.setDefaultTimeout(PATIENCE_MS)
    const page = await context.newPage()
    const faults: string[] = []
    const isProvoked = (text: string): boolean => {
      const status = REFUSED.exec(text)?.[1]
      return (status !== undefined && statuses.includes(Number(status))) || provoked?.test(text) === true
    }
    page.on('console', (message) => {
      if (message.type() === 'error' && !isProvoked(message.text())) faults.push(`console: ${message.text()}`)
    })
    page.on('pageerror', (error) => faults.push(`page: ${error.stack ?? error.message}`))
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url())
      if (origin !== url && protocol !== 'data:') faults.push(`request of ${request.url()}`)
    })
    this.open.push({ page, faults })
    return page
  }

  /** Closes all windows; fails if something went wrong in one of them. */
  async endTest(): Promise<void> {
    const visits = this.open
    this.open = []
    await Promise.all(visits.map(({ page }) => page.context().close()))
    expect(visits.flatMap(({ faults }) => faults)).toEqual([])
  }

  async stop(): Promise<void> {
    await this.running?.close()
  }
}

/** Starts a browser for the tests of this file. */
export function useBrowser(): Visits {
  const visits = new Visits()
  beforeAll(() => visits.start())
  afterEach(() => visits.endTest())
  afterAll(() => visits.stop())
  return visits
}

/** Resolves when `expectation`, of what is read from the page, holds. */
export async function expectSoon<T>(read: () => Promise<T>, expectation: (found: T) => void): Promise<void> {
  await vi.waitFor(async () => expectation(await read()), { timeout: PATIENCE_MS, interval: 50 })
}

/** The dialog that is open. */
export function dialog(page: Page): Locator {
  return page.getByRole('dialog')
}

export function button(within: Page | Locator, name: string | RegExp): Locator {
  return within.getByRole('button', typeof name === 'string' ? { name, exact: true } : { name })
}

/** The sentences in the dialog that say what an action will do. */
export function consequences(page: Page): Promise<string[]> {
  return dialog(page).getByRole('listitem').allInnerTexts()
}

/** Enters a reason in the open dialog, does what it asks about, and waits until it is in force everywhere and nothing drains. */
export async function confirm(page: Page, verb: string, reason: string, instances = '3 of 3 instances'): Promise<void> {
  await dialog(page).getByLabel('Reason').fill(reason)
  await button(dialog(page), verb).click()
  await dialog(page).getByText(`in force at ${instances}`).waitFor()
  await dialog(page).getByText('Complete.').waitFor()
}

export async function close(page: Page): Promise<void> {
  await button(dialog(page), 'Close').click()
  await dialog(page).waitFor({ state: 'hidden' })
}

export function isFocused(locator: Locator): Promise<boolean> {
  return locator.evaluate((element) => element === element.ownerDocument.activeElement)
}

/** The split of the service that a view shows, as somebody hears it who cannot see it: `Split: blue 100 %`. */
export function split(within: Page | Locator): Locator {
  return within.getByRole('img', { name: /^Split:/ })
}

/** Resolves when the view shows this split. */
export async function splitIs(within: Page | Locator, text: string): Promise<void> {
  await within
    .getByRole('img', { name: `Split: ${text}`, exact: true })
    .first()
    .waitFor()
}
