"""What is generated from the contracts: the data dictionary and the frame schemas."""
