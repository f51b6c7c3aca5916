"""From staged rows to the accepted tables: merge by key, soft deletes, watermarks, touched customer-months."""
