"""The Prefect server and what runs around it: started, supervised, set up, served on this machine."""
