/** Light and dark by the reader's setting, one column on a phone. Colour never tells anything alone. */
export const PAGE_STYLE = `
:root{--bg:#f4f5f7;--card:#fff;--ink:#1a1d23;--soft:#5b6472;--line:#dfe3e8;--good:#12793f;--good-bg:#e3f5ea;
--warn:#8a5a00;--warn-bg:#fdf1d8;--bad:#b3261e;--bad-bg:#fde7e5;--none:#5b6472;--none-bg:#e9ecf0;
--one:#2f6fde;--two:#c2570c;--held:#2e9e62;--open:#d99a1c}
@media (prefers-color-scheme:dark){:root{--bg:#111418;--card:#1a1e24;--ink:#e8eaed;--soft:#9aa4b2;--line:#2c323b;
--good:#5fd08f;--good-bg:#12291c;--warn:#f0bd5a;--warn-bg:#2f2510;--bad:#ff8a80;--bad-bg:#361816;--none:#9aa4b2;--none-bg:#22272f;
--one:#6ea3ff;--two:#ffa15c;--held:#3fae74;--open:#d9a63c}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header{display:flex;flex-wrap:wrap;gap:4px 20px;align-items:baseline;justify-content:space-between;max-width:1160px;margin:0 auto;padding:14px 16px 4px}
.brand{font-weight:700;font-size:18px}
.brand span,.meta{color:var(--soft);font-size:13px;font-weight:400}
.meta{display:flex;flex-wrap:wrap;gap:2px 14px}
main{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:14px;max-width:1160px;margin:0 auto;padding:10px 16px 40px}
section,article{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px;min-width:0}
.wide,#verdict,.losses{grid-column:1/-1}
h1{font-size:22px;margin:0;line-height:1.2}
h2{font-size:13px;font-weight:600;color:var(--soft);margin:0 0 8px}
#verdict{display:flex;gap:16px;align-items:flex-start;border-width:1px 1px 1px 6px}
#verdict p{margin:2px 0 0;font-size:16px;overflow-wrap:anywhere}
#verdict ul{margin:6px 0 0;padding-left:18px;color:var(--soft)}
#verdict ul:empty{display:none}
.sign{flex:none;width:44px;height:44px;border-radius:50%;display:grid;place-items:center;font-size:24px;font-weight:700;color:var(--card)}
.safe{border-color:var(--good)!important;background:var(--good-bg)}.safe h1{color:var(--good)}.safe .sign{background:var(--good)}
.warning{border-color:var(--warn)!important;background:var(--warn-bg)}.warning h1{color:var(--warn)}.warning .sign{background:var(--warn)}
.danger{border-color:var(--bad)!important;background:var(--bad-bg)}.danger h1{color:var(--bad)}.danger .sign{background:var(--bad)}
.unknown{border-color:var(--none)!important;background:var(--none-bg)}.unknown .sign{background:var(--none)}
.losses{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:14px;padding:0;border:0;background:none}
.big{font-size:24px;font-weight:650;margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.note{color:var(--soft);font-size:13px;margin:4px 0 0}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th{font-size:12px;font-weight:500;color:var(--soft);text-align:right;padding:2px 0 4px 8px}
td{border-top:1px solid var(--line);padding:5px 0 5px 8px;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
td:nth-child(2),code{font-family:ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;font-size:13px}
dl{display:grid;grid-template-columns:auto minmax(0,1fr);gap:5px 16px;margin:0}
dt{color:var(--soft)}dd{margin:0;text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.bar{grid-column:1/-1;height:6px;border-radius:3px;background:var(--line);overflow:hidden;margin:0 0 6px}
.bar i{display:block;height:100%;background:var(--held)}.bar i.low{background:var(--bad)}
.good{color:var(--good)}.soso{color:var(--warn)}.poor{color:var(--bad);font-weight:600}
.plain{list-style:none;margin:0;padding:0}
#events li{display:grid;grid-template-columns:76px minmax(0,1fr);gap:10px;border-top:1px solid var(--line);padding:5px 0;overflow-wrap:anywhere}
#events li:first-child{border-top:0}#events li.empty{display:block}
#events time{color:var(--soft);font-size:13px;font-variant-numeric:tabular-nums;padding-top:1px}
#events .error,#events .fatal{color:var(--bad)}#events .warn{color:var(--warn)}
#events b{font-weight:600;margin-right:6px}
#gaps li{color:var(--soft);margin-top:4px}#gaps li.fresh{color:var(--bad);font-weight:600}
.chart svg,#coverage svg{display:block;width:100%;overflow:visible}
.chart text,#coverage text{fill:var(--soft);font-size:11px}
.grid{stroke:var(--line);stroke-width:1}
.one{stroke:var(--one)}.two{stroke:var(--two)}.curve{fill:none;stroke-width:1.8;stroke-linejoin:round}
.area{fill:var(--one);opacity:.14;stroke:none}
.bad-time{fill:var(--bad);opacity:.13}
.held{fill:var(--held)}.hole{fill:var(--bad)}.known-hole{fill:var(--soft)}.pending{fill:var(--open)}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px;color:var(--soft);margin-top:6px}
.legend i{display:inline-block;width:12px;height:3px;border-radius:2px;margin-right:6px;vertical-align:middle}
.legend i.box{height:10px}
.k-one{background:var(--one)}.k-two{background:var(--two)}.k-held{background:var(--held)}.k-hole{background:var(--bad)}
.k-known{background:var(--soft)}.k-pending{background:var(--open)}
.empty{color:var(--soft);padding:20px 0;text-align:center}
nav{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:10px;max-width:1160px;margin:0 auto;padding:10px 16px 0}
nav[hidden]{display:none}
nav a{display:flex;gap:10px;align-items:center;min-width:0;padding:9px 12px;border:1px solid var(--line);border-left-width:5px;border-radius:10px;color:var(--ink);text-decoration:none}
nav a[aria-current]{outline:2px solid var(--ink);outline-offset:1px}
nav .sign{width:26px;height:26px;font-size:15px}
nav .words{display:flex;flex-wrap:wrap;gap:0 8px;min-width:0;flex:1}
nav b{flex:1 0 100%;max-width:100%;overflow-wrap:anywhere;line-height:1.25}
nav .level,nav .lost{font-size:13px}nav .lost{color:var(--soft)}
nav .safe .level{color:var(--good)}nav .warning .level{color:var(--warn)}nav .danger .level{color:var(--bad)}nav .unknown .level{color:var(--none)}
@media (max-width:720px){nav{grid-template-columns:minmax(0,1fr);gap:6px;padding:8px 10px 0}
nav{max-height:45vh;overflow-y:auto}nav a{padding:6px 10px}
main{grid-template-columns:minmax(0,1fr);padding:8px 10px 30px;gap:10px}
.losses{grid-template-columns:minmax(0,1fr);gap:10px}
article{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 12px;align-items:baseline}
article h2{margin:0}.losses .big{font-size:19px;text-align:right}.losses .note{grid-column:1/-1}
header{padding:12px 12px 2px}.sign{width:36px;height:36px;font-size:20px}h1{font-size:20px}
#events li{grid-template-columns:64px minmax(0,1fr)}}
`
