"""How clusters, nodes, blocks and chains look in a notebook, as HTML.

Everything that comes from the database is escaped. Colours work on light and on dark pages: text
takes the page's colour, and what is marked has a translucent ground.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paxledger.chain import Block, Chain, Comparison, Operation
    from paxledger.faults import LinkEffect

_STYLE = """<style>
.pxl{font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;color:inherit;
 --pxl-line:rgba(128,128,128,.38);--pxl-soft:rgba(128,128,128,.11)}
.pxl code,.pxl .pxl-m{font:12px/1.45 ui-monospace,"SFMono-Regular","DejaVu Sans Mono",monospace;
 background:none;color:inherit;padding:0}
.pxl .pxl-t{font-weight:600;margin:2px 0 6px}
.pxl .pxl-q{opacity:.68;font-weight:400}
.pxl table{border-collapse:collapse;border:0;margin:0;font-size:13px;color:inherit}
.pxl table th,.pxl table td{padding:3px 12px 3px 8px;border:0;
 border-bottom:1px solid var(--pxl-line);text-align:left;vertical-align:middle;
 white-space:nowrap;background:transparent}
.pxl a{color:inherit;text-decoration:underline}
.pxl table th{font-weight:600;opacity:.72;font-size:12px}
.pxl table .pxl-n{text-align:right;font-variant-numeric:tabular-nums}
.pxl .pxl-s{display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:6px}
.pxl .pxl-running{background:#2da44e}.pxl .pxl-paused{background:#d4a018}
.pxl .pxl-stopped{background:transparent;box-shadow:inset 0 0 0 2px #8b949e}
.pxl .pxl-b{display:inline-block;padding:0 7px;border-radius:9px;font-size:12px;
 background:var(--pxl-soft)}
.pxl .pxl-leader{background:rgba(47,129,247,.26);font-weight:600}
.pxl .pxl-bad{background:rgba(240,70,60,.24)}
.pxl .pxl-warn{background:rgba(225,160,20,.24)}
.pxl table td.pxl-differs{background:rgba(240,70,60,.24)}
.pxl .pxl-chain{display:flex;align-items:flex-start;overflow-x:auto;padding:2px 0 8px;
 scrollbar-width:thin;scrollbar-color:rgba(128,128,128,.5) transparent}
.pxl .pxl-card{flex:0 0 auto;width:206px;border:1px solid var(--pxl-line);border-radius:7px;
 background:var(--pxl-soft);overflow:hidden}
.pxl .pxl-card.pxl-broken{border-color:#f0463c;box-shadow:0 0 0 1px #f0463c}
.pxl .pxl-row{height:24px;padding:0 9px;display:flex;align-items:center;gap:7px;
 border-bottom:1px solid var(--pxl-line);white-space:nowrap;overflow:hidden}
.pxl .pxl-row span:first-child{flex:0 0 54px;opacity:.68;font-size:12px}
.pxl .pxl-head{height:28px;font-weight:600;justify-content:space-between}
.pxl .pxl-head span:first-child{flex:none;opacity:1;font-size:13px}
.pxl .pxl-ops{padding:5px 9px 7px;min-height:62px}
.pxl .pxl-ops div{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.pxl .pxl-hash{padding:0 5px;border-radius:4px;border-left:4px solid transparent}
.pxl .pxl-arrow{flex:0 0 44px}
.pxl .pxl-gap{flex:0 0 auto;align-self:center;padding:0 12px;opacity:.68;text-align:center}
.pxl .pxl-genesis{flex:0 0 auto;width:108px;border:1px dashed var(--pxl-line);border-radius:7px}
.pxl .pxl-note{margin:6px 0 0;padding:3px 9px;border-radius:5px;display:inline-block}
</style>"""

_GENESIS_WIDTH = 108
_OPERATIONS_SHOWN = 3
# Of a long chain, so many blocks are shown at its beginning and at its end.
_FIRST_SHOWN = 1
_LAST_SHOWN = 7
_HASH_DIGITS = 10


def _page(*parts: str) -> str:
    return f'{_STYLE}<div class="pxl">{"".join(parts)}</div>'


def _text(value: object) -> str:
    return html.escape(str(value))


def _hash(octets: bytes | str, digits: int = _HASH_DIGITS) -> str:
    """A hash, shortened, with a colour of its own: the same hash always looks the same."""
    digest = octets if isinstance(octets, str) else octets.hex()
    hue = int(digest[:6] or "0", 16) % 360
    return (
        f'<code class="pxl-hash" title="{_text(digest)}" style="border-left-color:'
        f'hsl({hue},68%,52%);background:hsla({hue},68%,52%,.17)">{_text(digest[:digits])}</code>'
    )


def _badge(text: str, kind: str = "") -> str:
    return f'<span class="pxl-b{" pxl-" + kind if kind else ""}">{_text(text)}</span>'


def _state(state: str) -> str:
    return f'<span class="pxl-s pxl-{_text(state)}"></span>{_text(state)}'


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:,}"


# ---- nodes


def _health(status: Mapping[str, Any]) -> str:
    """In a few words, whether a node is well."""
    marks = []
    if status["error"]:
        marks.append(_badge("no answer", "bad"))
    if status["damage"]:
        marks.append(_badge("damage", "bad"))
    if any(peer["conflicting"] for peer in status["peers"] or ()):
        marks.append(_badge("another history", "bad"))
    if status["repairing"]:
        marks.append(_badge("repairing", "warn"))
    elif status["abstaining"]:
        marks.append(_badge("abstaining", "warn"))
    if status["ready"] is False and not status["repairing"]:
        marks.append(_badge(str(status["not_ready_reason"]).partition(":")[0], "warn"))
    if status["ready"] and not marks:
        marks.append("ready")
    return " ".join(marks) or "–"


def _role(status: Mapping[str, Any]) -> str:
    role = status["role"]
    return "–" if role is None else _badge(f"★ {role}" if role == "leader" else role, role)


def differing(statuses: Iterable[Mapping[str, Any]]) -> set[int]:
    """The nodes that have another head than most of those with the same height."""
    heads: dict[int, dict[str, list[int]]] = {}
    for status in statuses:
        if status["height"] is not None:
            same = heads.setdefault(status["height"], {})
            same.setdefault(status["head"], []).append(status["node"])
    odd: set[int] = set()
    for same in heads.values():
        groups = sorted(same.values(), key=len)
        # Where no group is larger than the others, nobody can say who is right.
        tie = len(groups) > 1 and len(groups[-1]) == len(groups[-2])
        for group in groups if tie else groups[:-1]:
            odd.update(group)
    return odd


_COLUMNS = ("node", "state", "role", "follows", "ballot", "height", "lag", "head", "keys", "health")
_NUMBERS = frozenset({"height", "lag", "keys"})


def _table(statuses: Sequence[Mapping[str, Any]]) -> str:
    odd = differing(statuses)
    head = "".join(
        f'<th class="pxl-n">{name}</th>' if name in _NUMBERS else f"<th>{name}</th>"
        for name in _COLUMNS
    )
    rows = []
    for status in statuses:
        node = status["node"]
        lag = status["lag"]
        mark = ' class="pxl-differs"' if node in odd else ""
        late = _badge(_number(lag), "warn") if lag else _number(lag)
        rows.append(
            f"<tr><td><b>{node}</b></td><td>{_state(status['state'])}</td>"
            f"<td>{_role(status)}</td><td>{_text(status['leader'] or '–')}</td>"
            f"<td><code>{_text(status['ballot'] or '–')}</code></td>"
            f'<td class="pxl-n">{_number(status["height"])}</td><td class="pxl-n">{late}</td>'
            f"<td{mark}>{_hash(status['head']) if status['head'] else '–'}</td>"
            f'<td class="pxl-n">{_number(status["keys"])}</td><td>{_health(status)}</td></tr>'
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def by_effect(links: Mapping[tuple[int, int], LinkEffect]) -> dict[str, list[str]]:
    """Which links suffer what: "1 → 2" is one direction, "1 – 2" both."""
    found: dict[str, list[str]] = {}
    for (a, b), effect in sorted(links.items()):
        both = links.get((b, a)) == effect
        if not both or a < b:
            found.setdefault(str(effect), []).append(f"{a} {'–' if both else '→'} {b}")
    return found


def cluster_html(
    name: str,
    statuses: Sequence[Mapping[str, Any]],
    faults: Sequence[str],
    links: Mapping[tuple[int, int], LinkEffect],
) -> str:
    """A table of all nodes, and the faults below it."""
    running = sum(status["state"] == "running" for status in statuses)
    title = (
        f'<div class="pxl-t">Cluster {_text(name)} '
        f'<span class="pxl-q">{running} of {len(statuses)} nodes run</span></div>'
    )
    notes = [f'<div class="pxl-note pxl-warn">{_text(fault)}</div>' for fault in faults]
    rows = [
        f"<tr><td>{_text(effect)}</td><td>{', '.join(arrows)}</td></tr>"
        for effect, arrows in by_effect(links).items()
    ]
    disturbed = (
        '<div class="pxl-t" style="margin-top:10px">Disturbed links</div>'
        f"<table><tbody>{''.join(rows)}</tbody></table>"
        if rows
        else ""
    )
    shown = f"<div>{' '.join(notes)}</div>" if notes else ""
    return _page(title, _table(statuses), shown, disturbed)


def node_html(status: Mapping[str, Any], endpoint: str, http: str) -> str:
    """One node: its row, where it listens, and what it says of the others."""
    title = f'<div class="pxl-t">Node {status["node"]}</div>'
    pid = f"process {status['pid']}, " if status["pid"] else ""
    uptime = f", up for {status['uptime_s']:,.0f} s" if status["uptime_s"] is not None else ""
    address = (
        f'<div class="pxl-q" style="margin:6px 0">{pid}clients {_text(endpoint)}, '
        f'<a href="{_text(http)}/status">{_text(http)}</a>{uptime}</div>'
    )
    error = (
        f'<div class="pxl-note pxl-bad">{_text(status["error"])}</div>' if status["error"] else ""
    )
    rows = []
    for peer in status["peers"] or ():
        silent = "never heard" if peer["silent_ms"] is None else f"{peer['silent_ms']} ms ago"
        heard = silent if peer["heard"] else _badge(silent, "bad")
        odd = ' class="pxl-differs"' if peer["conflicting"] else ""
        rows.append(
            f"<tr><td><b>{peer['node']}</b></td><td>{heard}</td>"
            f'<td class="pxl-n">{_number(peer["height"])}</td>'
            f'<td class="pxl-n">{_number(peer["lag"])}</td>'
            f"<td{odd}>{_hash(peer['head']) if peer['head'] else '–'}</td></tr>"
        )
    seen = (
        "<table><thead><tr><th>hears</th><th>last</th><th class='pxl-n'>height</th>"
        "<th class='pxl-n'>lag</th><th>head</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    return _page(title, _table([status]), address, error, seen if rows else "")


# ---- blocks


def _octets(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = repr(value)[2:-1]
    return text if text.isprintable() else repr(value)[2:-1]


def _operation(operation: Operation, length: int = 40) -> str:
    words = {"put": "=", "compare_and_put": f"= (if revision {operation.argument})"}
    if operation.kind == "refused":
        return f'<span class="pxl-b pxl-bad">refused</span> {len(operation.value)} bytes'
    if not operation.key:
        return f'<span class="pxl-q">{_text(operation.kind.replace("_", " "))}</span>'
    key = _octets(operation.key)[:length]
    if operation.kind not in words:
        return f'<span class="pxl-q">{_text(operation.kind)}</span> <code>{_text(key)}</code>'
    value = _octets(operation.value)
    value = value if len(value) <= length else value[: length - 1] + "…"
    return f"<code>{_text(key)} {words[operation.kind]} {_text(value)}</code>"


def _card(block: Block, link_problem: str | None) -> str:
    wrong = block.problem()
    operations = block.operations
    shown = "".join(f"<div>{_operation(each, 28)}</div>" for each in operations[:_OPERATIONS_SHOWN])
    if len(operations) > _OPERATIONS_SHOWN:
        shown += f'<div class="pxl-q">… {len(operations) - _OPERATIONS_SHOWN:,} more</div>'
    if not operations:
        shown = '<div class="pxl-q">no operations</div>'
    if wrong is not None:
        shown += f'<div title="{_text(wrong)}">{_badge("hash is wrong", "bad")}</div>'
    if link_problem is not None:
        shown += f'<div title="{_text(link_problem)}">{_badge("link is broken", "bad")}</div>'
    broken = " pxl-broken" if wrong is not None or link_problem is not None else ""
    moment = f'<span class="pxl-q" title="{_text(block.time)}">{block.time:%H:%M:%S}</span>'
    work = (
        f'<div class="pxl-row"><span>nonce</span><code>{block.nonce}</code>'
        f'<span class="pxl-q">{block.work_bits} bits</span></div>'
        if block.work_bits
        else ""
    )
    return (
        f'<div class="pxl-card{broken}">'
        f'<div class="pxl-row pxl-head"><span>Block {block.height:,}</span>{moment}</div>'
        f'<div class="pxl-row"><span>hash</span>{_hash(block.hash)}</div>'
        f'<div class="pxl-row"><span>previous</span>{_hash(block.previous)}</div>'
        f'{work}<div class="pxl-ops">{shown}</div></div>'
    )


def _arrow(previous: bytes, broken: bool) -> str:
    """From the field "previous" of the block on the right to the hash of the one on the left."""
    hue = int(previous.hex()[:6], 16) % 360
    colour = "#f0463c" if broken else f"hsl({hue},68%,52%)"
    dashes = ' stroke-dasharray="4 3"' if broken else ""
    return (
        f'<svg class="pxl-arrow" width="44" height="90" viewBox="0 0 44 90" fill="none" '
        f'stroke="{colour}" stroke-width="2"><path d="M44 66 C 26 66, 26 42, 9 42"{dashes}/>'
        f'<path d="M1 42 L10 37 L10 47 Z" fill="{colour}" stroke="none"/></svg>'
    )


def _genesis_card(genesis: bytes) -> str:
    return (
        '<div class="pxl-genesis"><div class="pxl-row pxl-head"><span>Genesis</span></div>'
        f'<div class="pxl-row">{_hash(genesis, 8)}</div></div>'
    )


def chain_html(chain: Chain) -> str:
    """The blocks from left to right, each with an arrow to the one whose hash it names."""
    of = "" if chain.node is None else f" of node {chain.node}"
    if not len(chain):
        return _page(f'<div class="pxl-t">Chain{of} <span class="pxl-q">is empty</span></div>')
    head = chain[-1]
    title = (
        f'<div class="pxl-t">Chain{of} <span class="pxl-q">height {chain.height:,}, head</span> '
        f"{_hash(head.hash, 16)}</div>"
    )
    parts = []
    hidden = len(chain) - _FIRST_SHOWN - _LAST_SHOWN
    for index, block in enumerate(chain):
        if hidden > 1 and _FIRST_SHOWN <= index < _FIRST_SHOWN + hidden:
            if index == _FIRST_SHOWN:
                parts.append(f'<div class="pxl-gap">⋯<br>{hidden:,} blocks</div>')
            continue
        before = chain[index - 1] if index else None
        problem = chain.link_problem(before, block)
        if before is None and block.height == 1:
            parts.append(_genesis_card(chain.genesis or block.previous))
        elif before is None:
            parts.append('<div class="pxl-gap">⋯</div>')
        parts.append(_arrow(block.previous, problem is not None))
        parts.append(_card(block, problem))
    return _page(title, f'<div class="pxl-chain">{"".join(parts)}</div>')


def block_html(block: Block) -> str:
    """One block, all of it."""
    rows = [
        ("hash", f"{_hash(block.hash, 64)}"),
        ("previous", f"{_hash(block.previous, 64)}"),
        ("ops root", f"<code>{block.ops_root.hex()}</code>"),
        ("time", f"{block.time:%Y-%m-%d %H:%M:%S.%f} UTC"),
        ("nonce", f"<code>{block.nonce}</code>, {block.work_bits} bits of work"),
    ]
    wrong = block.problem()
    problem = f'<div class="pxl-note pxl-bad">{_text(wrong)}</div>' if wrong is not None else ""
    listed = block.operations
    lines = "".join(
        f'<tr><td class="pxl-n pxl-q">{index}</td><td>{_operation(each, 90)}</td></tr>'
        for index, each in enumerate(listed[:50])
    )
    more = f'<div class="pxl-q">… {len(listed) - 50:,} more</div>' if len(listed) > 50 else ""
    facts = "".join(
        f'<tr><td class="pxl-q">{name}</td><td>{value}</td></tr>' for name, value in rows
    )
    return _page(
        f'<div class="pxl-t">Block {block.height:,} <span class="pxl-q">'
        f"{len(listed):,} operation{'' if len(listed) == 1 else 's'}</span></div>",
        f"<table><tbody>{facts}</tbody></table>",
        problem,
        f'<div class="pxl-t" style="margin-top:10px">Operations</div><table><tbody>{lines}'
        f"</tbody></table>{more}"
        if listed
        else "",
    )


def comparison_html(comparison: Comparison) -> str:
    """The newest heights, a column for each node; blocks that not all agree on are marked."""
    chains = comparison.chains
    top = max((chain.height for chain in chains), default=0)
    difference = comparison.first_difference
    said = "no difference" if difference is None else f"different from height {difference:,} on"
    kind = "" if difference is None else "bad"
    title = f'<div class="pxl-t">Chains side by side {_badge(said, kind)}</div>'
    head = "".join(f"<th>node {_text(chain.node)}</th>" for chain in chains)
    shown = set(range(max(1, top - comparison.last + 1), top + 1))
    if difference is not None:
        shown.update(range(max(1, difference - 2), min(top, difference + 2) + 1))
    rows = []
    above = top + 1
    for height in sorted(shown, reverse=True):
        if height < above - 1:
            rows.append(_gap_row(above - height - 1, len(chains)))
        above = height
        blocks = [next(chain._at(height), None) for chain in chains]
        differs = len({block.hash for block in blocks if block is not None}) > 1
        mark = ' class="pxl-differs"' if differs else ""
        cells = "".join(
            '<td class="pxl-q">–</td>' if block is None else f"<td{mark}>{_hash(block.hash)}</td>"
            for block in blocks
        )
        rows.append(f'<tr><td class="pxl-n">{height:,}</td>{cells}</tr>')
    if above > 1:
        rows.append(_gap_row(above - 1, len(chains)))
    return _page(
        title,
        f'<table><thead><tr><th class="pxl-n">height</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>",
    )


def _gap_row(count: int, columns: int) -> str:
    more = f'<td class="pxl-q" colspan="{columns}">{count:,} more</td>'
    return f'<tr><td class="pxl-n pxl-q">⋯</td>{more}</tr>'
