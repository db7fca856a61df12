import { existsSync } from 'node:fs'
import puppeteer, { type Browser, type Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  buildSnapshot,
  DEFAULT_THRESHOLDS,
  type HistoryPoint,
  type StatusFacts,
  StatusServer,
} from '../../src/status/index.js'
import { knownFacts, lsn } from './known-facts.js'

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium'
const HAVE_CHROMIUM = existsSync(CHROMIUM)
if (!HAVE_CHROMIUM)
  console.warn(
    `!! NO CHROMIUM: ${CHROMIUM} is not there (apt-get install chromium); the page is not looked at`,
  )

const EVIL = '<img src=x onerror="document.title=1"><script>document.title=2</script>'

/** For somebody to look at, where a folder is named for it. */
async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.WALSHIP_TEST_PICTURES
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true })
}

/** As a string: the tests know nothing of the DOM's types. */
const textOf = async (page: Page) => String(await page.evaluate('document.body.innerText'))

function history(): HistoryPoint[] {
  return Array.from({ length: 60 }, (_, index) => ({
    at: 1_700_000_000_000 + index * 5000,
    writtenLagSeconds: index === 20 ? null : 0,
    archivedLagSeconds: index % 7,
    archivedLagBytes: 1000 * index,
    receivedBytesPerSecond: index === 0 ? null : 1_000_000 * (1 + Math.sin(index)),
    level: index > 40 && index < 45 ? 'danger' : 'safe',
  }))
}

describe.skipIf(!HAVE_CHROMIUM)('the page in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    // The sandbox needs a user that is not root. Nothing but our own page is shown.
    browser = await puppeteer.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
  })

  async function open(facts: StatusFacts | StatusFacts[], width = 1280, scheme: 'light' | 'dark' = 'light') {
    const server = await StatusServer.listen({
      host: '127.0.0.1',
      port: 0,
      clusters: () => [facts].flat().map((each) => buildSnapshot(each, DEFAULT_THRESHOLDS)),
      history,
      onError: (error) => {
        throw error
      },
    })
    onTestFinished(() => server.close())
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    const complaints: string[] = []
    const asked: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => asked.push(request.url()))
    await page.setViewport({ width, height: 900 })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    await page.goto(server.url)
    await page.waitForSelector('#positions tr')
    await page.waitForSelector('#lag path')
    return { page, server, complaints, asked }
  }

  it.each([
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'light'],
    [390, 'dark'],
    [320, 'dark'],
  ] as const)('shows everything at a width of %i, %s', async (width, scheme) => {
    const { page, server, complaints, asked } = await open(knownFacts(), width, scheme)
    const text = await textOf(page)
    for (const part of [
      'Safe',
      'Everything is archived but the last 2 s',
      'reserved',
      '0/3000080',
      'recovery',
    ])
      expect(text).toContain(part)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    expect(await page.$$eval('#coverage rect', (rects) => rects.length)).toBe(2)
    const background = String(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
    const red = Number(/\d+/.exec(background)![0])
    expect(red < 128).toBe(scheme === 'dark')
    expect(complaints).toEqual([])
    await picture(page, `one-${width}-${scheme}`)
    // Nothing from elsewhere; the icon is in the page.
    expect(asked.filter((url) => !url.startsWith(server.url) && !url.startsWith('data:'))).toEqual([])
  })

  it('shows danger, a hole, and what others wrote as text', async () => {
    const known = knownFacts()
    const { page, complaints } = await open(
      knownFacts({
        archive: {
          ...known.archive!,
          state: 'failing',
          failingSince: new Date(0),
          lastError: { code: 'STORE', message: EVIL, at: '2026-01-02T03:04:00.000Z' },
        },
        coverage: {
          ...known.coverage!,
          held: [
            { timeline: 1, from: lsn('0/1000000'), to: lsn('0/1800000') },
            { timeline: 1, from: lsn('0/2000000'), to: lsn('0/3000080') },
          ],
        },
        events: [{ at: '2026-01-02T03:04:00.000Z', level: 'error', event: 'warning', text: EVIL }],
      }),
    )
    const text = await textOf(page)
    expect(text).toContain('In danger')
    expect(text).toContain('The archive has a hole from 0/1800000 to 0/2000000')
    expect(text).toContain(EVIL)
    expect(await page.title()).toBe('✕ In danger · walship')
    expect(await page.$$eval('#coverage .hole', (holes) => holes.length)).toBe(1)
    expect(await page.$$eval('main img, main script', (found) => found.length)).toBe(0)
    expect(complaints).toEqual([])
  })

  function clusters(): StatusFacts[] {
    const { stream, archive } = knownFacts()
    return [
      knownFacts({ cluster: 'main' }),
      knownFacts({
        cluster: 'billing',
        archive: { ...archive!, state: 'failing', failingSince: new Date(0) },
      }),
      knownFacts({
        cluster: 'reporting-replica-of-the-warehouse',
        stream: {
          ...stream,
          state: 'failed',
          lastError: { code: 'X', message: EVIL, at: '2026-01-02T03:04:00.000Z' },
        },
      }),
      knownFacts({ cluster: 'a.b_c-1', stream: { ...stream, state: 'connecting' } }),
    ]
  }

  it.each([
    [1280, 'light'],
    [390, 'dark'],
    [320, 'light'],
  ] as const)('shows several clusters at a width of %i, %s, the worst first', async (width, scheme) => {
    const { page, complaints } = await open(clusters(), width, scheme)
    expect(await page.$$eval('#clusters a', (links) => links.length)).toBe(4)
    expect(await page.$eval('#clusters a[aria-current] b', (name) => name.textContent)).toBe(
      'reporting-replica-of-the-warehouse',
    )
    expect(await textOf(page)).toContain('Given up: <img')
    expect(await page.title()).toMatch(/^✕ In danger: reporting.* · walship$/)
    await page.evaluate(`document.querySelector('#clusters a').click()`)
    await page.waitForFunction(`document.getElementById('headline').textContent.includes('last 2 s')`)
    expect(await page.$eval('#clusters a[aria-current] b', (name) => name.textContent)).toBe('main')
    // One that is well does not hide another in the tab's title.
    expect(await page.title()).toMatch(/^✕ In danger/)
    expect(new URL(page.url()).hash).toBe('#cluster=main')
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    expect(complaints).toEqual([])
    await picture(page, `clusters-${width}-${scheme}`)
  })

  it('says so when nobody answers any more', async () => {
    const { page, server } = await open(knownFacts())
    await server.close()
    await page.waitForFunction(`document.body.innerText.includes('No answer from walship')`)
    expect(await page.title()).toBe('? Not known · walship')
  })
})
