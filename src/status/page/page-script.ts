/** What fills the page from status.json and history.json, as script text. */
export const PAGE_SCRIPT = `
const byId = (id) => document.getElementById(id)
const put = (id, text) => { const element = byId(id); if (element.textContent !== text) element.textContent = text }
const bytes = (value) => {
  if (value === null) return '–'
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB']
  let unit = 0
  while (Math.abs(value) >= 1000 && unit < 5) { value /= 1024; unit += 1 }
  return (unit === 0 || value >= 100 ? Math.round(value) : Number(value.toPrecision(2))) + ' ' + units[unit]
}
const duration = (value) => {
  if (value === null) return '–'
  if (value < 10) return Math.round(value * 10) / 10 + ' s'
  if (value < 90) return Math.round(value) + ' s'
  if (value < 5400) return Math.round(value / 60) + ' min'
  if (value < 129600) return Math.round(value / 360) / 10 + ' h'
  return Math.round(value / 8640) / 10 + ' days'
}
const plural = (count, thing) => count + ' ' + thing + (count === 1 ? '' : 's')
const since = (iso) => duration(Math.max(0, Date.now() - Date.parse(iso)) / 1000)
const LEVELS = {
  safe: ['Safe', '✓', '#12793f'], warning: ['Look at it', '!', '#b97b00'],
  danger: ['In danger', '✕', '#b3261e'], unknown: ['Not known', '?', '#5b6472'],
}

/* The clusters of this process, to choose one; what is worst is shown until somebody chooses. */
const BADNESS = ['safe', 'warning', 'unknown', 'danger']
const worst = (clusters) => clusters.reduce((a, b) => (BADNESS.indexOf(b.verdict.level) > BADNESS.indexOf(a.verdict.level) ? b : a))
const chosen = () => new URLSearchParams(location.hash.slice(1)).get('cluster')
const showClusters = (fleet, shown) => {
  const bar = byId('clusters')
  bar.hidden = fleet === null
  if (fleet === null) return
  const links = fleet.clusters.map(({ cluster, verdict, loss, stream }) => {
    const [name, sign] = LEVELS[verdict.level]
    const link = node('a', verdict.level)
    link.href = '#cluster=' + encodeURIComponent(cluster)
    if (cluster === shown.cluster) link.setAttribute('aria-current', 'true')
    const mark = node('span', 'sign', sign)
    mark.setAttribute('aria-hidden', 'true')
    const words = node('span', 'words')
    const lost = loss.both.unknown !== null ? stream.state : loss.both.bytes === 0 ? 'all archived' : (loss.both.atLeast ? '≥ ' : '') + duration(loss.both.seconds) + ' not archived'
    words.append(node('b', '', cluster), node('span', 'level', name), node('span', 'lost', lost))
    link.append(mark, words)
    link.title = verdict.headline
    return link
  })
  /* The same nodes again would take the focus from who walks through them by keyboard. */
  const before = Array.from(bar.children, (link) => link.outerHTML).join('')
  if (before === links.map((link) => link.outerHTML).join('')) return
  const focused = Array.from(bar.children).indexOf(document.activeElement)
  bar.replaceChildren(...links)
  if (focused >= 0 && links[focused]) links[focused].focus()
}

const showVerdict = ({ level, headline, reasons }) => {
  const [name, sign] = LEVELS[level]
  byId('verdict').className = level
  put('level', name)
  put('sign', sign)
  put('headline', headline.charAt(0).toUpperCase() + headline.slice(1))
  byId('reasons').replaceChildren(...reasons.slice(1).map(({ text }) => node('li', '', text)))
  showTitle(level)
}

/* Of all clusters: a tab in the background must tell of each. */
const showTitle = (level, more) => {
  const [name, sign, color] = LEVELS[level]
  document.title = sign + ' ' + name + (more === undefined ? '' : ': ' + more) + ' · walship'
  byId('icon').href = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="' + SVG + '" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="' + color + '"/></svg>')
}

const showLoss = (name, loss, meaning) => {
  const big = byId('loss-' + name)
  if (loss.unknown !== null) {
    big.textContent = 'not known'
    big.className = 'big'
    return put('loss-' + name + '-note', loss.unknown)
  }
  big.textContent = loss.bytes === 0 ? 'nothing' : (loss.atLeast ? '≥ ' : '') + duration(loss.seconds)
  big.className = 'big ' + (loss.bytes === 0 ? 'good' : '')
  put('loss-' + name + '-note', loss.bytes === 0 ? meaning : bytes(loss.bytes) + ' of WAL')
}

const STEPS = {
  received: 'taken from the socket', written: 'handed to the operating system', flushed: 'on disk for good',
  verified: 'its records were checked', archived: 'in the store, and everything before it',
  reported: 'what the server was told is safe',
}
const showPositions = (positions) => {
  const rows = Object.entries(positions).filter(([, { lsn }]) => lsn !== null).map(([name, at]) => {
    const row = node('tr')
    const step = node('td', '', name)
    step.title = STEPS[name] || ''
    row.append(step, node('td', '', at.lsn))
    row.append(node('td', '', at.lagBytes === 0 ? '0' : bytes(at.lagBytes)))
    row.append(node('td', '', at.lagSeconds === 0 ? '0' : (at.atLeast ? '≥ ' : '') + duration(at.lagSeconds)))
    return row
  })
  byId('positions').replaceChildren(...rows)
}

const showFacts = ({ slot, archive, directory, counters, stream }) => {
  const list = byId('facts')
  list.replaceChildren()
  const fact = (name, text, mood) => list.append(node('dt', '', name), node('dd', mood, text))
  const bar = (share, low) => {
    const box = node('div', 'bar'), fill = node('i', low ? 'low' : '')
    fill.style.width = Math.max(1, Math.min(100, share * 100)) + '%'
    box.append(fill)
    list.append(box)
  }
  if (slot.name === null) fact('slot', 'none: the server may remove WAL too early', 'soso')
  else if (slot.unknown !== null) fact('slot ' + slot.name, slot.unknown)
  else {
    const moods = { reserved: 'good', extended: 'soso', unreserved: 'poor', lost: 'poor' }
    fact('slot ' + slot.name, slot.walStatus || (slot.active ? 'active' : 'not active'), moods[slot.walStatus])
    fact('may fall behind by', slot.safeWalBytes === null ? 'no limit is set' : bytes(slot.safeWalBytes) + ' more', slot.safeWalBytes !== null && slot.safeWalBytes < 67108864 ? 'poor' : '')
    if (slot.safeWalBytes !== null) bar(slot.safeWalBytes / Math.max(1, slot.safeWalBytes + (slot.retainedBytes || 0)), slot.walStatus !== 'reserved')
    fact('server keeps for it', bytes(slot.retainedBytes))
  }
  if (archive === null) fact('store', 'none')
  else {
    fact('store', archive.store)
    fact('uploads', archive.state === 'failing' ? 'failing for ' + since(archive.failingSince) : archive.state, archive.state === 'failing' ? 'poor' : archive.state === 'working' ? 'good' : '')
    if (archive.lastError !== null) fact('last error, ' + since(archive.lastError.at) + ' ago', archive.lastError.message)
    if (archive.pendingSegments !== null) fact('waiting', archive.pendingSegments === 0 ? 'nothing' : plural(archive.pendingSegments, 'segment') + ', ' + bytes(archive.pendingBytes) + (archive.oldestPendingSeconds === null ? '' : ', oldest ' + duration(archive.oldestPendingSeconds)))
    if (archive.stuckFiles) fact('stuck', plural(archive.stuckFiles, 'file'), 'poor')
  }
  if (directory.freeBytes !== null) {
    fact('free in directory', bytes(directory.freeBytes) + ' of ' + bytes(directory.totalBytes))
    bar(directory.freeBytes / Math.max(1, directory.totalBytes), directory.freeBytes < 2 * directory.minFreeBytes)
  }
  if (directory.walFiles !== null) fact('WAL in directory', plural(directory.walFiles, 'file') + ', ' + bytes(directory.walBytes))
  fact('connections', counters.connects + ', ' + counters.streamFailures + ' failed attempts')
  fact('timeline', String(stream.timeline === null ? '–' : stream.timeline))
}

const commitTimes = ({ firstCommitAt, lastCommitAt }) => firstCommitAt === null || lastCommitAt === null ? '' : ' Its commits are from ' + moment(firstCommitAt) + ' to ' + moment(lastCommitAt) + ', and what is in the open segment.'
const moment = (iso) => new Date(iso).toLocaleString()

const showCoverage = ({ coverage, stream }) => {
  drawCoverage(byId('coverage'), coverage, stream)
  const window = coverage && coverage.window
  put('window', window ? 'A recovery can use ' + bytes(window.bytes) + ' of WAL without a hole: ' + window.from + ' to ' + window.to + ', for every base backup that was finished in it.' + commitTimes(window) : '')
  const gaps = coverage === null ? [] : coverage.gaps.slice(-8)
  byId('gaps').replaceChildren(...gaps.map((gap) => node('li', gap.recorded ? '' : 'fresh', (gap.recorded ? 'accepted gap: ' : 'missing: ') + gap.from + ' to ' + gap.to + ' on timeline ' + gap.timeline + ', ' + bytes(gap.bytes))))
}

const showEvents = (events) => {
  const rows = events.slice(-40).reverse().map(({ at, level, text }) => {
    const row = node('li'), words = node('span', level)
    const time = node('time', '', new Date(at).toLocaleTimeString([], { hour12: false }))
    time.title = at
    if (level !== 'info') words.append(node('b', '', level))
    words.append(text)
    row.append(time, words)
    return row
  })
  byId('events').replaceChildren(...(rows.length ? rows : [node('li', 'empty', 'none yet')]))
}

let fleet = null, status = null, history = []
const show = () => {
  if (status === null) return
  const { process, stream, loss } = status
  showClusters(fleet, status)
  showVerdict(status.verdict)
  if (fleet !== null) showTitle(fleet.level, fleet.headline)
  put('version', process ? process.version : '')
  put('state', stream.state + (stream.since ? ' for ' + since(stream.since) : ''))
  put('cluster', (status.cluster === null ? '' : status.cluster + ', ') + (stream.systemIdentifier ? 'system ' + stream.systemIdentifier : ''))
  put('taken', new Date(status.takenAt).toLocaleString())
  showLoss('server', loss.server, 'all that it has written is here')
  showLoss('directory', loss.directory, 'what it was told is safe is in the store')
  showLoss('both', loss.both, 'the store has everything')
  showPositions(status.positions)
  showFacts(status)
  showCoverage(status)
  showEvents(status.events)
}
const showCharts = () => {
  drawChart(byId('lag'), history, [
    { key: 'archivedLagSeconds', name: 'archived', color: 'two' },
    { key: 'writtenLagSeconds', name: 'written here', color: 'one' },
  ], duration, 1, 10)
  drawChart(byId('throughput'), history, [{ key: 'receivedBytesPerSecond', name: 'per second', color: 'one', area: true }], bytes, 1024, 1024)
}

const get = async (path) => {
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(8000) })
  if (!answer.ok) throw new Error('walship answered ' + answer.status)
  return answer.json()
}
const repeat = (everyMs, job) => {
  const run = async () => { if (!document.hidden) await job(); setTimeout(run, everyMs) }
  void run()
  document.addEventListener('visibilitychange', () => { if (!document.hidden) void job() })
}
const choose = (answer) => {
  fleet = answer.clusters === undefined ? null : answer
  const before = status
  status = fleet === null ? answer : fleet.clusters.find(({ cluster }) => cluster === chosen()) || worst(fleet.clusters)
  return before === null || before.cluster !== status.cluster
}
const takeHistory = async () => {
  if (status === null) return
  const { cluster } = status
  try {
    const points = await get('history.json' + (cluster === null ? '' : '?cluster=' + encodeURIComponent(cluster)))
    /* Another one may have been chosen meanwhile. */
    if (status.cluster !== cluster) return
    history = points
    showCharts()
  } catch {}
}
addEventListener('hashchange', () => {
  if (fleet === null) return
  if (choose(fleet)) void takeHistory()
  show()
})
repeat(2000, async () => {
  try {
    const isOther = choose(await get('status.json'))
    show()
    if (isOther) await takeHistory()
  }
  catch (error) {
    showVerdict({ level: 'unknown', headline: 'No answer from walship: ' + error.message, reasons: [] })
    put('state', 'what is shown below is old')
  }
})
repeat(5000, takeHistory)
addEventListener('resize', () => { show(); showCharts() })
`
