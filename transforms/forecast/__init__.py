"""What the months ahead bring: the expected figure of each customer, its bounds, and how it stood to what came true."""
