"""The flows that Prefect deploys, one file a deployment of prefect.yaml."""
