"""The web room: the only one that knows HTTP. `api` and `pages` call the same actions and don't know each other."""
