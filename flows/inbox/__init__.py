"""The inbox: batches landed, corrected, announced, watched for."""
