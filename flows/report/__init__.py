"""The report: pages a person opens in a browser, made of the published mart alone.

`stamp` says whether they are up to date, `build` makes them, `words`, `numbers`, `definitions` and `charts` are what they
are made of, and `templates` how they look. No script or style is fetched from anywhere.
"""
