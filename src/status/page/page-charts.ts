/**
 * The page's drawings, as script text: curves over time, and the line of what the archive holds. Everything
 * is made through the DOM, and what comes from the server only ever becomes text.
 */
export const CHARTS_SCRIPT = `
const SVG = 'http://www.w3.org/2000/svg'
const svg = (name, attributes, text) => {
  const element = document.createElementNS(SVG, name)
  for (const key in attributes) element.setAttribute(key, attributes[key])
  if (text !== undefined) element.textContent = text
  return element
}
const node = (name, className, text) => {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text !== undefined) element.textContent = text
  return element
}

/* The next round number; where base is 1024 in kB, MB and so on. */
const nice = (value, base) => {
  const unit = Math.pow(base, Math.floor(Math.log(value) / Math.log(base)))
  return [1, 2, 5, 10, 20, 50, 100, 200, 500, base].filter((step) => step <= base).map((step) => step * unit).find((step) => step >= value) || value
}

/* series: {key, name, color, area}; a null in the data is a break in the curve. */
const drawChart = (box, points, series, format, floor, base) => {
  const width = Math.max(240, box.clientWidth), height = 170, left = 52, bottom = 20, top = 8
  box.replaceChildren()
  if (points.length < 2) return box.append(node('p', 'empty', 'the first points come in a few seconds'))
  const from = points[0].at, to = points[points.length - 1].at
  const known = points.flatMap((point) => series.map(({ key }) => point[key]).filter((value) => value !== null))
  const max = nice(Math.max(floor, ...known), base)
  const x = (at) => left + ((at - from) / Math.max(1, to - from)) * (width - left - 4)
  const y = (value) => top + (1 - value / max) * (height - top - bottom)
  const picture = svg('svg', { viewBox: '0 0 ' + width + ' ' + height, height, role: 'img' })
  picture.append(svg('title', {}, series.map(({ name }) => name).join(', ') + ' over time'))
  for (let index = 1; index < points.length; index += 1) {
    if (points[index].level !== 'danger') continue
    const start = x(points[index - 1].at)
    picture.append(svg('rect', { class: 'bad-time', x: start, y: top, width: x(points[index].at) - start, height: height - top - bottom }))
  }
  for (const share of [0, 0.5, 1]) {
    const at = y(max * share)
    picture.append(svg('line', { class: 'grid', x1: left, x2: width - 4, y1: at, y2: at }))
    picture.append(svg('text', { x: left - 6, y: at + 4, 'text-anchor': 'end' }, format(max * share)))
  }
  const precision = to - from < 900000 ? { second: '2-digit' } : {}
  for (const share of [0, 0.5, 1]) {
    const text = new Date(from + (to - from) * share).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false, ...precision })
    picture.append(svg('text', { x: left + share * (width - left - 4), y: height - 4, 'text-anchor': ['start', 'middle', 'end'][share * 2] }, text))
  }
  for (const { key, color, area } of series) {
    let line = '', fill = '', start = null
    points.forEach((point, index) => {
      if (point[key] === null) return
      const broken = index === 0 || points[index - 1][key] === null || point.at - points[index - 1].at > 30000
      const place = x(point.at).toFixed(1) + ' ' + y(Math.min(max, point[key])).toFixed(1)
      line += (broken ? 'M' : 'L') + place
      if (broken) {
        if (start !== null) fill += 'V' + y(0) + 'H' + start + 'Z'
        start = x(point.at).toFixed(1)
        fill += 'M' + start + ' ' + y(0) + 'L' + place
      } else fill += 'L' + place
    })
    const last = points.map((point, index) => (point[key] === null ? -1 : index)).reduce((a, b) => Math.max(a, b), 0)
    if (area && start !== null) picture.append(svg('path', { class: 'area', d: fill + 'L' + x(points[last].at).toFixed(1) + ' ' + y(0) + 'H' + start + 'Z' }))
    picture.append(svg('path', { class: 'curve ' + color, d: line }))
  }
  const legend = node('div', 'legend')
  for (const { key, name, color } of series) {
    const item = node('span')
    const value = points[points.length - 1][key]
    item.append(node('i', 'k-' + color), name + ': ' + (value === null ? 'not known' : format(value)))
    legend.append(item)
  }
  box.append(picture, legend)
}

const lsn = (text) => {
  const [high, low] = text.split('/')
  return parseInt(high, 16) * 4294967296 + parseInt(low, 16)
}

/* One row for a timeline: what is held, the holes, and what is still on its way. */
const drawCoverage = (box, coverage, stream) => {
  box.replaceChildren()
  if (coverage === null) return box.append(node('p', 'empty', 'there is no store, or it has not been looked at yet'))
  if (coverage.held.length === 0) return box.append(node('p', 'empty', 'the archive holds no WAL yet'))
  const rows = [...new Set(coverage.held.map(({ timeline }) => timeline))].slice(-6)
  const shown = coverage.held.filter(({ timeline }) => rows.includes(timeline))
  const holes = coverage.gaps.filter(({ timeline }) => rows.includes(timeline))
  const from = Math.min(...shown.map((range) => lsn(range.from)))
  const archivedEnd = shown[shown.length - 1].to
  const to = Math.max(lsn(stream.serverLsn || archivedEnd), ...shown.map((range) => lsn(range.to)))
  const width = Math.max(260, box.clientWidth), left = rows.length > 1 ? 34 : 0, bar = 26, step = 34
  const height = rows.length * step + 18
  const x = (position) => left + ((position - from) / Math.max(1, to - from)) * (width - left)
  const picture = svg('svg', { viewBox: '0 0 ' + width + ' ' + height, height, role: 'img' })
  picture.append(svg('title', {}, 'WAL in the archive from ' + shown[0].from + ' to ' + archivedEnd + ', ' + holes.length + ' holes'))
  const draw = (className, row, start, end, least, text) => {
    const wide = Math.max(least, x(end) - x(start))
    const rect = svg('rect', { class: className, x: Math.min(x(start), width - wide), y: row * step, width: wide, height: bar, rx: 2 })
    rect.append(svg('title', {}, text))
    picture.append(rect)
  }
  rows.forEach((timeline, row) => {
    if (rows.length > 1) picture.append(svg('text', { x: 0, y: row * step + 17 }, 'tl ' + timeline))
    for (const range of shown.filter((held) => held.timeline === timeline))
      draw('held', row, lsn(range.from), lsn(range.to), 2, range.from + ' to ' + range.to)
  })
  if (to > lsn(archivedEnd)) draw('pending', rows.length - 1, lsn(archivedEnd), to, 3, 'not archived yet: ' + archivedEnd + ' to ' + stream.serverLsn)
  for (const hole of holes) draw(hole.recorded ? 'known-hole' : 'hole', rows.indexOf(hole.timeline), lsn(hole.from), lsn(hole.to), 5, 'missing: ' + hole.from + ' to ' + hole.to)
  picture.append(svg('text', { x: left, y: height - 4 }, shown[0].from))
  picture.append(svg('text', { x: width, y: height - 4, 'text-anchor': 'end' }, stream.serverLsn || archivedEnd))
  const legend = node('div', 'legend')
  const key = (color, text) => {
    const item = node('span')
    item.append(node('i', 'box k-' + color), text)
    legend.append(item)
  }
  key('held', 'in the archive')
  if (to > lsn(archivedEnd)) key('pending', 'on its way')
  if (holes.some(({ recorded }) => !recorded)) key('hole', 'missing')
  if (holes.some(({ recorded }) => recorded)) key('known', 'missing, accepted')
  box.append(picture, legend)
}
`
