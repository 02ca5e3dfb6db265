"""A chart of bars, as SVG."""

from html import escape

WIDTH, LABEL, BAR, GAP = 900, 240, 16, 14
COLOURS = ["#0b6e4f", "#8fb8a8", "#3b6fb6", "#c47f17", "#8a5aa8"]


def bars(title, groups):
    """Draws groups of (name, value): a bar for each, with its value."""
    names = list(dict.fromkeys(name for group in groups.values() for name, _ in group))
    most = max(value for group in groups.values() for _, value in group)
    parts, y = [f'<text x="8" y="24" font-size="17" font-weight="bold">{escape(title)}</text>'], 44
    for heading, group in groups.items():
        parts.append(f'<text x="8" y="{y + 12}" font-weight="bold">{escape(heading)}</text>')
        y += 20
        for name, value in group:
            width = max(1, round(value / most * (WIDTH - LABEL - 80)))
            colour = COLOURS[names.index(name) % len(COLOURS)]
            parts.append(
                f'<text x="{LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
                f'<rect x="{LABEL}" y="{y}" width="{width}" height="{BAR - 2}" fill="{colour}"/>'
                f'<text x="{LABEL + width + 6}" y="{y + 12}">{value:.1f}</text>'
            )
            y += BAR
        y += GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )
