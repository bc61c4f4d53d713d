"""How our pages look."""

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1080px;padding:0 1em;color:#1c2733;background:#fff}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #dde3ea}
table{border-collapse:collapse}td,th{text-align:left;padding:.25em 1em .25em 0;vertical-align:top}
.grid{display:flex;flex-wrap:wrap;gap:16px}figure{margin:0}figcaption{font-size:13px;color:#526170}
.critical{color:#b3261e;font-weight:600}.warning{color:#a15c00;font-weight:600}.info{color:#526170}
details{margin:.2em 0}summary{cursor:pointer}ul{margin:.3em 0 .6em}
.views{position:relative;width:320px}.views img{width:320px;display:block}
.views img+img{position:absolute;left:0;top:0;opacity:.5}.views:hover img+img{opacity:1}
"""
