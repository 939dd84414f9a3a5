"""What several collectors read alike: rows out of JSON, walks over pages, signed report files."""
