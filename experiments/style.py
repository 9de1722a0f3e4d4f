"""How a page looks, and how its tables are sorted."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --paper: #fff; --faint: #667; --line: #d5d9e0;
  --band: #f3f5f9; --mark: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --paper: #15181e; --faint: #9aa3b2;
  --line: #353b47; --band: #1e232c; --mark: #7db7f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.15rem; margin-top: 2rem; }
a { color: var(--mark); }
.verdict { font-size: 1.1rem; padding: .8rem 1rem; background: var(--band);
  border-left: .3rem solid var(--mark); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
td.number, th.number { text-align: right; }
td:first-child { white-space: normal; min-width: 9rem; }
tbody tr:nth-child(even) { background: var(--band); }
th button { all: unset; cursor: pointer; font-weight: 600; color: var(--mark); }
th button:focus-visible { outline: 2px solid var(--mark); }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; background: #fff; }
dl { display: grid; grid-template-columns: minmax(7rem, 14rem) 1fr; gap: .2rem 1rem; }
dt { color: var(--faint); } dd { margin: 0; }
pre { padding: .8rem; background: var(--band); overflow-x: auto; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
"""

SCRIPT = """
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0];
  const column = head.cellIndex, up = head.ariaSort !== "ascending";
  const key = row => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number"
    ? (isNaN(a) - isNaN(b)) || a - b : String(a).localeCompare(String(b));
  const rows = [...body.rows].sort((a, b) => (up ? 1 : -1) * compare(key(a), key(b)));
  body.append(...rows);
  head.parentElement.querySelectorAll("th").forEach(other => { other.ariaSort = "none"; });
  head.ariaSort = up ? "ascending" : "descending";
}));
"""
