"""What a run leaves for whoever watches: metrics, artifacts, messages."""
