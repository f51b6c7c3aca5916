"""What the commands print, each from plain rows."""
