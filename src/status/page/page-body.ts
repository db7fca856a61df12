/** The page without its data. What a section is about stands in its heading, for people who see it first in an alarm. */
export const PAGE_BODY = `<body>
<header>
  <div class="brand">walship <span id="version"></span></div>
  <div class="meta"><span id="state">connecting</span><span id="cluster"></span><span id="taken"></span></div>
</header>
<nav id="clusters" aria-label="Clusters" hidden></nav>
<main>
  <section id="verdict" class="unknown" role="status" aria-live="polite">
    <div class="sign" id="sign" aria-hidden="true">?</div>
    <div><h1 id="level">Loading</h1><p id="headline">asking walship</p><ul id="reasons"></ul></div>
  </section>
  <section class="losses" aria-label="What would be lost now">
    <article><h2>If the server is lost now</h2><p class="big" id="loss-server">–</p><p class="note" id="loss-server-note"></p></article>
    <article><h2>If this directory is lost now</h2><p class="big" id="loss-directory">–</p><p class="note" id="loss-directory-note"></p></article>
    <article><h2>If only the store is left</h2><p class="big" id="loss-both">–</p><p class="note" id="loss-both-note"></p></article>
  </section>
  <section class="wide">
    <h2>Archive coverage</h2>
    <div id="coverage"></div>
    <p class="note" id="window"></p>
    <ul id="gaps" class="plain"></ul>
  </section>
  <section>
    <h2>Lag behind the server</h2>
    <div class="chart" id="lag"></div>
  </section>
  <section>
    <h2>WAL received</h2>
    <div class="chart" id="throughput"></div>
  </section>
  <section>
    <h2>Positions</h2>
    <table><thead><tr><th scope="col">step</th><th scope="col">position</th><th scope="col">behind</th><th scope="col">for</th></tr></thead>
    <tbody id="positions"></tbody></table>
  </section>
  <section>
    <h2>Slot, store, directory</h2>
    <dl id="facts"></dl>
  </section>
  <section class="wide">
    <h2>Recent events</h2>
    <ol id="events" class="plain"></ol>
  </section>
</main>
</body>`
