"""What a source delivers: manifest, profile, dialect, headers, file formats."""
