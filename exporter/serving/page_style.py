"""How the status page looks, light and dark, on a desk and on a phone; and the policy that lets nothing else in."""

import base64
import hashlib

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1f2328;--dim:#59636e;--line:#d1d9e0;--link:#0969da;
--ok:#1a7f37;--bad:#c01c28;--warn:#8a5a00;--okbg:#e6f6ea;--badbg:#ffecea;--warnbg:#fff5d6}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9aa4ae;--line:#30363d;--link:#58a6ff;
--ok:#4ac260;--bad:#ff8a80;--warn:#e3b341;--okbg:#10261a;--badbg:#2d1517;--warnbg:#2a2110}}
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:72rem;
padding:0 1rem}
*{overflow-wrap:anywhere}
h1{font-size:1rem;margin:0}h2{font-size:1.2rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
a{color:var(--link)}nav a,article a{margin-right:1rem}
.dim{color:var(--dim)}.ok{color:var(--ok)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.v{border-left:.5rem solid;margin:1rem 0;padding:.8rem 1rem}
.v.ok{background:var(--okbg)}.v.bad{background:var(--badbg)}.v.warn{background:var(--warnbg)}
.v strong{display:block;font-size:1.6rem;line-height:1.3}.v p{color:var(--fg);margin:.2rem 0 0}
article{border:1px solid var(--line);border-left:.3rem solid var(--bad);margin:.6rem 0;padding:.6rem 1rem}
article p,.n{margin:.3rem 0 0}
summary{cursor:pointer;margin-top:1rem}summary h3{display:inline}
table{border-collapse:collapse;table-layout:fixed;width:100%}
th,td{border-bottom:1px solid var(--line);font-weight:400;padding:.25rem .6rem .25rem 0;text-align:left;
vertical-align:top}
thead th{color:var(--dim);font-size:.85rem}tbody th{font-weight:600}
th:first-child{width:20%}.q th:nth-child(3){width:24%}
@media(max-width:40rem){
thead{clip-path:inset(50%);height:1px;overflow:hidden;position:absolute;width:1px}
table,tbody{display:block}tbody tr{border:1px solid var(--line);display:grid;gap:0 .8rem;grid-template-columns:1fr 1fr;
margin:.5rem 0;padding:.3rem .6rem}
tbody th,td{border:0;padding:.1rem 0;width:auto!important}
td::before{color:var(--dim);font-size:.85rem}
.s td:nth-child(3)::before{content:"Data of "}.s td:nth-child(4)::before{content:"Success "}
.s td:nth-child(5)::before{content:"Next run "}.s td:nth-child(6)::before{content:"Series "}
.q tbody tr{grid-template-columns:1fr}
.q td:nth-child(2)::before{content:"GitHub's limit "}.q td:nth-child(3)::before{content:"Left of the limit "}
.q td:nth-child(4)::before{content:"Our budget "}.q td:nth-child(5)::before{content:"Left of the budget "}
.q td:nth-child(6)::before{content:"Now "}}
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CSP = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
