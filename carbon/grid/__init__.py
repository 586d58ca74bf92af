"""Grid intensity: bundled tables, imported series, and the one Dataset made of them."""
