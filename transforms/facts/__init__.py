"""What happened: the facts that a rating reads, summed by customer and month."""
