"""From delivered files to typed, numbered, judged rows, in a locked instance of its own."""
