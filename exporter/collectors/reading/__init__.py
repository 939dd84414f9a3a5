"""Reading that collectors share: rows from JSON, walks over pages, signed report files."""
