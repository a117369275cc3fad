/** The style of `report.html`: the system's own fonts, light or dark as the reader's system is, narrow or wide. */
export const REPORT_STYLE = `
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fefefe;--ink:#1d2129;--soft:#5a6170;--line:#dcdfe5;--accent:#0072b2;--good:#00734f;--bad:#b23b00;--code:#eef0f4}
@media (prefers-color-scheme:dark){:root{--page:#0f1116;--card:#15181e;--ink:#e6e9ef;--soft:#9aa3b2;--line:#2b303a;--accent:#5fb3e6;--good:#3ecf9a;--bad:#ff9a66;--code:#1c2028}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:40px 24px 64px}
h1{font:600 clamp(28px,5vw,44px)/1.1 ui-serif,Georgia,serif;letter-spacing:-.015em;margin:6px 0 10px;overflow-wrap:anywhere}
h2{font:600 22px/1.2 ui-serif,Georgia,serif;margin:48px 0 16px}
p{margin:0 0 12px;max-width:70ch}
.eyebrow,dt,th{font-size:12px;letter-spacing:.06em;text-transform:uppercase;color:var(--soft);font-weight:600}
.state{display:inline-block;margin-left:10px;padding:1px 10px;border:1px solid currentColor;border-radius:99px;color:var(--accent);letter-spacing:.04em}
.state.finished{color:var(--good)}.state.failed{color:var(--bad)}
.lead{color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(max(150px,22%),1fr));margin:28px 0 0;background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden}
.figures div{padding:16px 18px;box-shadow:1px 1px 0 var(--line)}
.figures dd{margin:2px 0 0;font:600 26px/1.2 ui-serif,Georgia,serif;font-variant-numeric:tabular-nums}
.figures small{display:block;font:13px/1.4 system-ui,sans-serif;color:var(--soft)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:20px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden}
.plot{overflow-x:auto}
figure svg{display:block;width:100%;min-width:520px;height:auto}
figcaption{padding:0 18px 12px;color:var(--soft);font-size:14px}
details{border-top:1px solid var(--line)}
summary{padding:10px 18px;cursor:pointer;color:var(--accent);font-size:14px}
summary:focus-visible{outline:2px solid var(--accent);outline-offset:-2px}
.scroll{max-height:320px;overflow:auto;padding:0 18px 12px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 16px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td.number,th.number{text-align:right;white-space:nowrap}
.scroll thead th{position:sticky;top:0;background:var(--card)}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 18px;overflow-x:auto}
.columns{columns:2 360px;column-gap:40px}
.columns tr{break-inside:avoid}
code,pre{font:13px/1.5 ui-monospace,Menlo,Consolas,monospace}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.hash{color:var(--soft);word-break:break-all}
.notes{border-left:3px solid var(--bad)}
.notes ul{margin:0;padding-left:18px}
footer{margin-top:56px;color:var(--soft);font-size:13px}
@media print{body{background:#fff}figure,.card{break-inside:avoid}details{display:none}}
`;
