"""What every table must be: contracts, the suites made from them, and the gate that applies them."""
