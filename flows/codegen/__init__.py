"""What is generated from the code and held against it: event schemas, pages on the rules."""
