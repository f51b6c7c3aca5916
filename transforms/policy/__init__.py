"""The policy: its model, its checks, and the shipped ones."""
