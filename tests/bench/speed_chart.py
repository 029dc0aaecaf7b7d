def draw(record): return ""
