"""Reading that collectors share: rows out of JSON, walks over pages, signed report files."""
