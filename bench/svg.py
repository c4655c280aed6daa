"""Horizontal bar charts as SVG, without any library: one bar a line, ours in another colour."""

from html import escape

WIDTH, LABEL, BAR, GAP, TOP = 760, 190, 20, 8, 56
OURS, OTHERS, TARGET = "#d1495b", "#8d99ae", "#2b9348"
FONT = 'font-family="system-ui, sans-serif"'


def text(x, y, s, size=13, anchor="start", colour="#222", weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" {FONT} font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}" font-weight="{weight}">{escape(s)}</text>')


def number(v):
    return f"{v:,.0f}" if v >= 100 else f"{v:.1f}"


def bars(title, note, rows, target=None, label=LABEL):
    """An SVG picture. rows: (label, value, is it ours); target: a line across at this value; label:
    the width that is kept for the labels."""
    highest = max([v for _, v, _ in rows] + [target or 0]) or 1
    scale = (WIDTH - label - 90) / highest
    height = TOP + len(rows) * (BAR + GAP) + 14
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
             text(12, 22, title, 16, weight="bold"), text(12, 42, note, 12, colour="#666")]
    for i, (name, value, ours) in enumerate(rows):
        y = TOP + i * (BAR + GAP)
        parts.append(text(label - 8, y + 15, name, anchor="end",
                          weight="bold" if ours else "normal"))
        parts.append(f'<rect x="{label}" y="{y}" width="{max(value * scale, 1):.1f}" '
                     f'height="{BAR}" fill="{OURS if ours else OTHERS}"/>')
        parts.append(text(label + value * scale + 6, y + 15, number(value)))
    if target:
        x = label + target * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 14}" '
                     f'stroke="{TARGET}" stroke-width="2" stroke-dasharray="5 4"/>')
        parts.append(text(x, height - 2, f"target {number(target)}", 11, "middle", TARGET))
    return "\n".join(parts + ["</svg>"]) + "\n"
